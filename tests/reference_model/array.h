// The plain arithmetic of the reference model: arrays of doubles and loops. Nothing here is fast,
// shared with the server, or clever; it exists to be obviously right.

#ifndef SHOAL_TESTS_REFERENCE_MODEL_ARRAY_H_
#define SHOAL_TESTS_REFERENCE_MODEL_ARRAY_H_

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::reference {

// The value, or std::runtime_error with the status.
template <typename T>
T ValueOrThrow(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

// A dense row-major array. Two-dimensional unless said otherwise.
struct Array {
  std::vector<int64_t> shape;
  std::vector<double> data;

  Array() = default;
  explicit Array(std::vector<int64_t> dims);

  int64_t size(int dim) const { return shape.at(dim); }
  double* row(int64_t i) { return data.data() + i * RowSize(); }
  const double* row(int64_t i) const { return data.data() + i * RowSize(); }
  int64_t RowSize() const;  // elements of one entry of the first dimension
};

// The tensor `name` as doubles, whatever its stored type. Throws std::runtime_error with the
// store's message when it is missing or has another shape.
Array Load(const checkpoint::TensorStore& store, const std::string& name,
           std::vector<int64_t> shape);

// x (n, in), weight (out, in), bias (out) or empty -> (n, out).
Array MatMulTransposed(const Array& x, const Array& weight, const Array& bias = {});

// x (n, dim) normalised over dim, times weight (dim).
Array RmsNorm(const Array& x, const Array& weight, double eps);

void AddInPlace(Array& x, const Array& y);

// (a, b) -> (b, a).
Array Transposed(const Array& x);

}  // namespace shoal::reference

#endif  // SHOAL_TESTS_REFERENCE_MODEL_ARRAY_H_
