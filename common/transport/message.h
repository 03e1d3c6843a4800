// A message between two processes: an envelope (pipeline.proto) and the bytes of the tensors it
// mentions, in the order in which it mentions them. Whatever arrives is hostile until CheckMessage
// has passed it: afterwards every tensor's dtype, rank, size and place are known to be right.
//
// On the wire it is one ZeroMQ frame, all numbers uint32 little-endian:
//   parts | envelope bytes | bytes of each part | the envelope | the parts
// One frame and not a frame a tensor, because libzmq 4.3 aborts the process or leaks when a
// connection breaks between the frames of one message (zeromq/libzmq#3442), and because its
// MAXMSGSIZE bounds a frame, not a message.
//
// Plain values; a message is used by one thread at a time.
#ifndef SHOAL_COMMON_TRANSPORT_MESSAGE_H_
#define SHOAL_COMMON_TRANSPORT_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "shoal/pipeline/v1/pipeline.pb.h"

namespace shoal::transport {

inline constexpr uint32_t kProtocolVersion = 1;
inline constexpr int kMaxTensorRank = 4;

struct Message {
  pipeline::v1::Envelope envelope;
  std::vector<std::string> parts;  // raw tensor bytes; parts[i] is Tensor.part == i
};

struct MessageLimits {
  size_t max_parts = 8;
  size_t max_envelope_bytes = 1 << 20;
  size_t max_message_bytes = 16 << 20;  // encoded
};

// Appends `data` as a part and describes it in *where, which lies in the message's envelope.
// REQUIRES: the product of `shape` is data.size(), shape.size() <= kMaxTensorRank. Parts must be
// attached in the order of their fields in the body (Generate: token_ids, codes; Audio: pcm,
// codes).
void AttachInt32(Message& message, pipeline::v1::Tensor* where, absl::Span<const int32_t> data,
                 absl::Span<const uint32_t> shape);
void AttachFloat32(Message& message, pipeline::v1::Tensor* where, absl::Span<const float> data,
                   absl::Span<const uint32_t> shape);

// The values of a tensor of exactly this rank, in row-major order; its shape is tensor.shape().
// Safe for any message: dtype, rank, product and size are checked. `tensor` lies in the envelope.
absl::StatusOr<std::vector<int32_t>> ReadInt32(const Message& message,
                                               const pipeline::v1::Tensor& tensor, int rank);
absl::StatusOr<std::vector<float>> ReadFloat32(const Message& message,
                                               const pipeline::v1::Tensor& tensor, int rank);

// Whether that is exactly the size of a tensor of this shape (of either dtype).
bool FillsShape(const pipeline::v1::Tensor& tensor, size_t bytes);

// OUT_OF_RANGE, naming the limit, when the message must not be sent.
absl::Status CheckLimits(const Message& message, const MessageLimits& limits);

size_t EncodedBytes(const Message& message);
void Encode(const Message& message, char* to);  // writes EncodedBytes(message)

// Checks limits (OUT_OF_RANGE), version (UNIMPLEMENTED), and that it is an encoding of an envelope
// at all (INVALID_ARGUMENT). CheckMessage comes next.
absl::StatusOr<Message> Decode(absl::string_view bytes, const MessageLimits& limits);

// A short name of the body for logs and metrics: "submit", "frame", ...; "none" without one.
absl::string_view BodyName(const pipeline::v1::Envelope& envelope);

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_MESSAGE_H_
