#include "common/model/weights.h"

#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::model {
namespace {

at::ScalarType ToScalarType(checkpoint::DType dtype) {
  switch (dtype) {
    case checkpoint::DType::kBool:
      return at::kBool;
    case checkpoint::DType::kU8:
      return at::kByte;
    case checkpoint::DType::kI8:
      return at::kChar;
    case checkpoint::DType::kI16:
      return at::kShort;
    case checkpoint::DType::kI32:
      return at::kInt;
    case checkpoint::DType::kI64:
      return at::kLong;
    case checkpoint::DType::kF16:
      return at::kHalf;
    case checkpoint::DType::kBF16:
      return at::kBFloat16;
    case checkpoint::DType::kF32:
      return at::kFloat;
    case checkpoint::DType::kF64:
      return at::kDouble;
  }
  return at::kFloat;
}

}  // namespace

absl::StatusOr<at::Tensor> LoadWeight(const checkpoint::TensorStore& store, absl::string_view name,
                                      absl::Span<const int64_t> shape, at::ScalarType dtype) {
  if (dtype != at::kFloat && dtype != at::kDouble) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, ": weights are computed in float32 or float64, not in ",
                     c10::toString(dtype)));
  }
  absl::StatusOr<checkpoint::TensorView> view = store.Get(name, shape);
  if (!view.ok()) return view.status();
  try {
    // The mapping's bytes may stand at any address, so they are copied before ATen reads them.
    at::Tensor raw = at::empty(at::IntArrayRef(shape.data(), shape.size()),
                               at::TensorOptions(ToScalarType(view->dtype)));
    if (!view->bytes.empty()) std::memcpy(raw.data_ptr(), view->bytes.data(), view->bytes.size());
    return raw.to(dtype);
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(absl::StrCat("tensor ", name, ": ", error.what()));
  }
}

}  // namespace shoal::model
