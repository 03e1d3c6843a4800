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
constexpr size_t kWord = 4;          // of the encoding

constexpr size_t HeadBytes(size_t parts) { return (2 + parts) * kWord; }

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

size_t EncodedBytes(const Message& message) {
  size_t bytes = HeadBytes(message.parts.size()) + message.envelope.ByteSizeLong();
  for (const std::string& part : message.parts) bytes += part.size();
  return bytes;
}

absl::Status CheckLimits(const Message& message, const MessageLimits& limits) {
  return CheckSizes(message.parts.size(), message.envelope.ByteSizeLong(), EncodedBytes(message),
                    limits);
}

void Encode(const Message& message, char* to) {
  const auto put = [&](uint64_t number) {
    const uint32_t word = static_cast<uint32_t>(number);
    std::memcpy(to, &word, kWord);
    to += kWord;
  };
  const size_t envelope_bytes = message.envelope.ByteSizeLong();
  put(message.parts.size());
  put(envelope_bytes);
  for (const std::string& part : message.parts) put(part.size());
  message.envelope.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(to));
  to += envelope_bytes;
  for (const std::string& part : message.parts) {
    std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
}

absl::StatusOr<Message> Decode(absl::string_view bytes, const MessageLimits& limits) {
  const absl::Status broken = absl::InvalidArgumentError("its sizes are not those of its bytes");
  const size_t total = bytes.size();
  const auto take = [&] {
    uint32_t word;
    std::memcpy(&word, bytes.data(), kWord);
    bytes.remove_prefix(kWord);
    return word;
  };
  if (total < HeadBytes(0)) return broken;
  const uint32_t parts = take();
  const uint32_t envelope_bytes = take();
  if (absl::Status status = CheckSizes(parts, envelope_bytes, total, limits); !status.ok()) {
    return status;
  }
  if (total < HeadBytes(parts)) return broken;
  std::vector<uint32_t> sizes(parts);
  uint64_t sum = envelope_bytes;
  for (uint32_t& size : sizes) sum += size = take();
  if (sum != bytes.size()) return broken;

  Message message;
  if (!message.envelope.ParseFromArray(bytes.data(), static_cast<int>(envelope_bytes))) {
    return absl::InvalidArgumentError("it begins with no envelope");
  }
  if (message.envelope.version() != kProtocolVersion) {
    return absl::UnimplementedError(absl::StrCat("protocol version ", message.envelope.version(),
                                                 ", this process speaks ", kProtocolVersion));
  }
  bytes.remove_prefix(envelope_bytes);
  message.parts.reserve(parts);
  for (const uint32_t size : sizes) {
    message.parts.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return message;
}

absl::string_view BodyName(const pipeline::v1::Envelope& envelope) {
  if (envelope.body_case() == pipeline::v1::Envelope::BODY_NOT_SET) return "none";
  const auto* field = pipeline::v1::Envelope::descriptor()->FindFieldByNumber(envelope.body_case());
  return field->name();
}

}  // namespace shoal::transport
