// Says whether a received message can be used, and if not, which field is wrong, as in
//   submit.generate.codes: expected shape (10, 37) int32, got (9, 37) int32
// Pure functions; any thread.
#ifndef SHOAL_COMMON_TRANSPORT_MESSAGE_CHECK_H_
#define SHOAL_COMMON_TRANSPORT_MESSAGE_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/transport/message.h"

namespace shoal::transport {

// A dimension of an expected shape.
struct Dim {
  absl::string_view name;  // for the error, e.g. "L"
  int64_t size = -1;       // -1: any
};

// Dtype, shape, and a place that holds exactly that many bytes. `field` names the tensor in errors.
absl::Status CheckTensor(const Message& message, const pipeline::v1::Tensor& tensor,
                         absl::string_view field, pipeline::v1::DType dtype,
                         absl::Span<const Dim> shape);

// What the receiver knows of the model; 0 = not known, not checked.
struct ModelShape {
  uint32_t num_codebooks = 0;
  uint32_t frame_length = 0;
};

// Everything that can be known without the receiver's state: a body is there, the stream is named,
// tensors have the shapes of pipeline.proto and agree with each other, every part belongs to
// exactly one tensor, numbers are finite and in range of their type.
absl::Status CheckMessage(const Message& message, const ModelShape& model);

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_MESSAGE_CHECK_H_
