#include "common/codec/window_attention.h"

#include <ATen/Dispatch.h>

#include <algorithm>
#include <cstring>

#include "common/codec/attend.h"
#include "common/model/parallel.h"
#include "common/model/row_kernels.h"

namespace shoal::codec {
namespace {

// Multiply-adds below which another thread costs more than it brings.
constexpr int64_t kWorkPerThread = 1 << 19;

// Where rows of one head lie, oldest first: those before the step in its ring, `first` being the
// oldest position that the step can see, then the step's own.
template <typename T>
void FindRows(const T* ring, int64_t ring_rows, int64_t ring_stride, const T* step,
              int64_t step_stride, int64_t first, int64_t start, int64_t time, const T** rows) {
  int64_t slot = first < start ? first % ring_rows : 0;
  for (int64_t p = first; p < start; ++p) {
    *rows++ = ring + slot * ring_stride;
    if (++slot == ring_rows) slot = 0;
  }
  for (int64_t t = 0; t < time; ++t) *rows++ = step + t * step_stride;
}

// Moves the step's rows into a ring; only the last ones can be seen later.
template <typename T>
void Keep(const T* rows, int64_t stride, int64_t start, int64_t time, int64_t ring_rows,
          int64_t width, T* ring) {
  for (int64_t t = std::max<int64_t>(0, time - ring_rows); t < time; ++t) {
    std::memcpy(ring + (start + t) % ring_rows * width, rows + t * stride, sizeof(T) * width);
  }
}

}  // namespace

WindowAttention::WindowAttention(int64_t heads, int64_t head_dim, int64_t window,
                                 StateLayout& layout)
    : heads_(heads),
      head_dim_(head_dim),
      window_(window),
      keys_(layout.Reserve((window - 1) * heads * head_dim)),
      values_(layout.Reserve((window - 1) * heads * head_dim)) {}

void WindowAttention::operator()(const Streams& streams, const std::vector<int64_t>& positions,
                                 const at::Tensor& rope, at::Tensor& qkv, at::Tensor& out) const {
  const int64_t time = qkv.size(0) / streams.size();
  AT_DISPATCH_FLOATING_TYPES(qkv.scalar_type(), "WindowAttention", [&] {
    Run(streams, positions, time, rope.const_data_ptr<float>(), qkv.mutable_data_ptr<scalar_t>(),
        out.mutable_data_ptr<scalar_t>());
  });
}

template <typename T>
void WindowAttention::Run(const Streams& streams, const std::vector<int64_t>& positions,
                          int64_t time, const float* rope, T* qkv, T* out) const {
  const int64_t width = heads_ * head_dim_;
  const int64_t stride = 3 * width;  // from a row's queries to the next one's
  const int64_t ring_rows = window_ - 1;
  const int64_t work_per_head = 2 * time * std::min(window_, time + ring_rows) * head_dim_;
  const int64_t grain = std::max<int64_t>(1, kWorkPerThread / work_per_head);
  model::ParallelFor(streams.size() * heads_, grain, [&](int64_t begin, int64_t end) {
    std::vector<const T*> keys(ring_rows + time);
    std::vector<const T*> values(ring_rows + time);
    std::vector<T> weights(AttendScratch(window_));
    for (int64_t item = begin; item < end; ++item) {
      const int64_t stream = item / heads_;
      const int64_t head = item % heads_ * head_dim_;
      T* queries = qkv + stream * time * stride + head;
      const float* rotation = rope + stream * time * head_dim_;
      for (int64_t t = 0; t < time; ++t, rotation += head_dim_) {
        T* query = queries + t * stride;
        model::RotateRow(query, rotation, head_dim_, query);
        model::RotateRow(query + width, rotation, head_dim_, query + width);
      }
      const int64_t start = positions[stream];
      const int64_t oldest = std::max<int64_t>(0, start - ring_rows);
      FindRows<T>(streams.State<T>(stream, keys_) + head, ring_rows, width, queries + width, stride,
                  oldest, start, time, keys.data());
      FindRows<T>(streams.State<T>(stream, values_) + head, ring_rows, width, queries + 2 * width,
                  stride, oldest, start, time, values.data());
      for (int64_t t = 0; t < time; ++t) {
        const int64_t position = start + t;
        const int64_t first = std::max<int64_t>(0, position - ring_rows);
        Attend(queries + t * stride, keys.data() + (first - oldest),
               values.data() + (first - oldest), position - first + 1, head_dim_, weights.data(),
               out + (stream * time + t) * width + head);
      }
    }
  });
  for (int64_t stream = 0; stream < streams.size(); ++stream) {
    const T* rows = qkv + stream * time * stride;
    Keep(rows + width, stride, positions[stream], time, ring_rows, width,
         streams.State<T>(stream, keys_));
    Keep(rows + 2 * width, stride, positions[stream], time, ring_rows, width,
         streams.State<T>(stream, values_));
  }
}

}  // namespace shoal::codec
