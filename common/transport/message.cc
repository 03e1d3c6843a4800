#include "common/transport/message.h"

#include <bit>
#include <cstring>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"

namespace shoal::transport {
namespace {

using pipeline::v1::DType;
using pipeline::v1::Tensor;

static_assert(std::endian::native == std::endian::little, "tensors travel little-endian");
static_assert(sizeof(int32_t) == 4 && sizeof(float) == 4);

constexpr size_t kElementBytes = 4;  // of both dtypes

template <typename T>
void Attach(Message& message, Tensor* where, DType dtype, absl::Span<const T> data,
            absl::Span<const uint32_t> shape) {
  where->Clear();
  where->set_dtype(dtype);
  for (const uint32_t size : shape) where->add_shape(size);
  where->set_part(static_cast<uint32_t>(message.parts.size()));
  message.parts.emplace_back(reinterpret_cast<const char*>(data.data()),
                             data.size() * kElementBytes);
}

template <typename T>
absl::StatusOr<std::vector<T>> Read(const Message& message, const Tensor& tensor, DType dtype,
                                    int rank) {
  if (tensor.dtype() != dtype) {
    return absl::InvalidArgumentError(absl::StrCat("tensor: expected dtype ",
                                                   pipeline::v1::DType_Name(dtype), ", got ",
                                                   static_cast<int>(tensor.dtype())));
  }
  if (rank > kMaxTensorRank || tensor.shape_size() != rank) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor: expected rank ", rank, ", got ", tensor.shape_size()));
  }
  if (tensor.place_case() != Tensor::kPart || tensor.part() >= message.parts.size()) {
    return absl::InvalidArgumentError("tensor: it is in no part of this message");
  }
  const std::string& bytes = message.parts[tensor.part()];
  if (!FillsShape(tensor, bytes.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor: its part has ", bytes.size(), " bytes, which is not its shape's"));
  }
  std::vector<T> values(bytes.size() / kElementBytes);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

absl::Status CheckSizes(size_t parts, size_t envelope_bytes, size_t message_bytes,
                        const MessageLimits& limits) {
  const auto over = [](absl::string_view what, size_t got, size_t limit) {
    return absl::OutOfRangeError(absl::StrCat(what, ": ", got, ", the limit is ", limit));
  };
  if (parts > limits.max_parts) return over("parts of the message", parts, limits.max_parts);
  if (envelope_bytes > limits.max_envelope_bytes) {
    return over("bytes of the envelope", envelope_bytes, limits.max_envelope_bytes);
  }
  if (message_bytes > limits.max_message_bytes) {
    return over("bytes of the message", message_bytes, limits.max_message_bytes);
  }
  return absl::OkStatus();
}

}  // namespace

void AttachInt32(Message& message, Tensor* where, absl::Span<const int32_t> data,
                 absl::Span<const uint32_t> shape) {
  Attach(message, where, pipeline::v1::INT32, data, shape);
}

void AttachFloat32(Message& message, Tensor* where, absl::Span<const float> data,
                   absl::Span<const uint32_t> shape) {
  Attach(message, where, pipeline::v1::FLOAT32, data, shape);
}

absl::StatusOr<std::vector<int32_t>> ReadInt32(const Message& message, const Tensor& tensor,
                                               int rank) {
  return Read<int32_t>(message, tensor, pipeline::v1::INT32, rank);
}

absl::StatusOr<std::vector<float>> ReadFloat32(const Message& message, const Tensor& tensor,
                                               int rank) {
  return Read<float>(message, tensor, pipeline::v1::FLOAT32, rank);
}

bool FillsShape(const Tensor& tensor, size_t bytes) {
  if (tensor.shape_size() > kMaxTensorRank) return false;
  absl::uint128 elements = 1;  // four sizes of 32 bits cannot overflow it
  for (const uint32_t size : tensor.shape()) elements *= size;
  return bytes % kElementBytes == 0 && elements == bytes / kElementBytes;
}

size_t ByteSize(const Message& message) {
  size_t bytes = message.envelope.ByteSizeLong();
  for (const std::string& part : message.parts) bytes += part.size();
  return bytes;
}

absl::Status CheckLimits(const Message& message, const MessageLimits& limits) {
  const size_t envelope = message.envelope.ByteSizeLong();
  size_t bytes = envelope;
  for (const std::string& part : message.parts) bytes += part.size();
  return CheckSizes(message.parts.size(), envelope, bytes, limits);
}

absl::StatusOr<Message> DecodeFrames(absl::Span<const absl::string_view> frames,
                                     const MessageLimits& limits) {
  if (frames.empty()) return absl::InvalidArgumentError("no envelope");
  size_t bytes = 0;
  for (const absl::string_view frame : frames) bytes += frame.size();
  if (absl::Status status = CheckSizes(frames.size() - 1, frames[0].size(), bytes, limits);
      !status.ok()) {
    return status;
  }
  Message message;
  if (!message.envelope.ParseFromArray(frames[0].data(), static_cast<int>(frames[0].size()))) {
    return absl::InvalidArgumentError("the first frame is no envelope");
  }
  if (message.envelope.version() != kProtocolVersion) {
    return absl::UnimplementedError(absl::StrCat("protocol version ", message.envelope.version(),
                                                 ", this process speaks ", kProtocolVersion));
  }
  message.parts.reserve(frames.size() - 1);
  for (const absl::string_view part : frames.subspan(1)) message.parts.emplace_back(part);
  return message;
}

absl::string_view BodyName(const pipeline::v1::Envelope& envelope) {
  if (envelope.body_case() == pipeline::v1::Envelope::BODY_NOT_SET) return "none";
  const auto* field = pipeline::v1::Envelope::descriptor()->FindFieldByNumber(envelope.body_case());
  return field->name();
}

}  // namespace shoal::transport
