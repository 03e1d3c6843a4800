// Where the state of a stream lives.
//
// All state of all streams of one model is a slab, a tensor of (slots, elements): one row is the
// whole state of one stream. Which module keeps what where in a row is fixed once, at load, by a
// StateLayout that every module reserves its part from; the modules themselves are const. A row of
// zeros is a stream that has not begun; copying a row saves, restores or moves a stream.
#ifndef SHOAL_COMMON_CODEC_STREAMS_H_
#define SHOAL_COMMON_CODEC_STREAMS_H_

#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "common/codec/buffer_pool.h"

namespace shoal::codec {

class StateLayout {
 public:
  explicit StateLayout(at::ScalarType dtype) : element_bytes_(c10::elementSize(dtype)) {}

  // Takes the next `elements` of a row and returns where they begin.
  int64_t Reserve(int64_t elements) {
    const int64_t begin = elements_;
    elements_ += elements;
    return begin;
  }
  // The same for a 64-bit counter.
  int64_t ReserveCounter() { return Reserve(static_cast<int64_t>(8 / element_bytes_)); }

  int64_t elements() const { return elements_; }

 private:
  size_t element_bytes_;
  int64_t elements_ = 0;
};

// The streams of one step: some rows of a slab, in the order of the batch, and where the step's
// activations come from. A view that must not outlive the slab, the slot numbers and the pool that
// it was made of.
class Streams {
 public:
  // slab: (slots, elements) contiguous; REQUIRES: every slot is one of its rows, none twice.
  // pool: null for new memory every time.
  Streams(at::Tensor& slab, absl::Span<const int64_t> slots, const BufferPool* pool = nullptr)
      : base_(static_cast<std::byte*>(slab.data_ptr())),
        element_bytes_(slab.element_size()),
        row_bytes_(slab.size(1) * slab.element_size()),
        slots_(slots),
        pool_(pool) {}

  int64_t size() const { return static_cast<int64_t>(slots_.size()); }

  // Streams [begin, begin + count) of these.
  Streams Part(int64_t begin, int64_t count) const {
    Streams part = *this;
    part.slots_ = slots_.subspan(begin, count);
    return part;
  }

  // A new tensor for activations, which may hold anything.
  at::Tensor Empty(at::IntArrayRef sizes, at::ScalarType dtype) const {
    return pool_ != nullptr ? pool_->Empty(sizes, dtype) : at::empty(sizes, dtype);
  }

  // The elements of stream `i` from `offset` on.
  template <typename T>
  T* State(int64_t i, int64_t offset) const {
    return reinterpret_cast<T*>(base_ + slots_[i] * row_bytes_) + offset;
  }

  // The counter of stream `i` at `offset` (StateLayout::ReserveCounter).
  int64_t Counter(int64_t i, int64_t offset) const {
    int64_t value;
    std::memcpy(&value, base_ + slots_[i] * row_bytes_ + offset * element_bytes_, sizeof(value));
    return value;
  }
  void SetCounter(int64_t i, int64_t offset, int64_t value) const {
    std::memcpy(base_ + slots_[i] * row_bytes_ + offset * element_bytes_, &value, sizeof(value));
  }

 private:
  std::byte* base_;
  int64_t element_bytes_;
  int64_t row_bytes_;
  absl::Span<const int64_t> slots_;
  const BufferPool* pool_;
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_STREAMS_H_
