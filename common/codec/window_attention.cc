#include "common/codec/window_attention.h"

#include <ATen/Dispatch.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/model/parallel.h"

namespace shoal::codec {
namespace {

// Multiply-adds below which another thread costs more than it brings.
constexpr int64_t kWorkPerThread = 1 << 18;

// Partial sums of a dot product: a fixed number, so that the compiler may use vectors.
constexpr int64_t kLanes = 16;

template <typename T>
T Dot(const T* a, const T* b, int64_t n) {
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  for (int64_t lane = 0; i < n; ++i, ++lane) lanes[lane] += a[i] * b[i];
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

// Rows of one head: those before the step in its ring, the step's own in a batch tensor.
template <typename T>
struct HeadRows {
  const T* ring;
  const T* step;
  int64_t ring_rows;
  int64_t start;   // position of the step's first row
  int64_t stride;  // elements from row to row

  // Calls visit(row) for positions first .. last in order.
  template <typename Visit>
  void ForEach(int64_t first, int64_t last, const Visit& visit) const {
    int64_t p = first;
    if (p < start) {
      int64_t slot = p % ring_rows;
      for (; p < start && p <= last; ++p) {
        visit(ring + slot * stride);
        if (++slot == ring_rows) slot = 0;
      }
    }
    for (const T* row = step + (p - start) * stride; p <= last; ++p, row += stride) visit(row);
  }
};

// The attention of one head at one position over positions [first, last]. scores: scratch.
template <typename T>
void Attend(const T* query, const HeadRows<T>& keys, const HeadRows<T>& values, int64_t first,
            int64_t last, int64_t head_dim, T* scores, T* out) {
  const T scale = T(1) / std::sqrt(static_cast<T>(head_dim));
  T largest = -std::numeric_limits<T>::infinity();
  T* score = scores;
  keys.ForEach(first, last, [&](const T* key) {
    *score = Dot(query, key, head_dim) * scale;
    largest = std::max(largest, *score++);
  });
  T sum = 0;
  for (T* weight = scores; weight != score; ++weight) {
    *weight = std::exp(*weight - largest);
    sum += *weight;
  }
  std::fill(out, out + head_dim, T(0));
  const T* weight = scores;
  values.ForEach(first, last, [&](const T* value) {
    for (int64_t d = 0; d < head_dim; ++d) out[d] += *weight * value[d];
    ++weight;
  });
  for (int64_t d = 0; d < head_dim; ++d) out[d] /= sum;
}

// Moves the step's rows into a ring; only the last ones can be seen later.
template <typename T>
void Keep(const T* rows, int64_t start, int64_t time, int64_t ring_rows, int64_t width, T* ring) {
  for (int64_t t = std::max<int64_t>(0, time - ring_rows); t < time; ++t) {
    std::memcpy(ring + (start + t) % ring_rows * width, rows + t * width, sizeof(T) * width);
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

at::Tensor WindowAttention::operator()(const Streams& streams,
                                       const std::vector<int64_t>& positions,
                                       const at::Tensor& queries, const at::Tensor& keys,
                                       const at::Tensor& values) const {
  const int64_t rows = queries.size(0);
  const int64_t time = rows / streams.size();
  const int64_t width = heads_ * head_dim_;
  const int64_t ring_rows = window_ - 1;
  at::Tensor out = at::empty({rows, width}, queries.scalar_type());
  AT_DISPATCH_FLOATING_TYPES(queries.scalar_type(), "WindowAttention", [&] {
    const auto* query = queries.const_data_ptr<scalar_t>();
    const auto* key = keys.const_data_ptr<scalar_t>();
    const auto* value = values.const_data_ptr<scalar_t>();
    auto* result = out.mutable_data_ptr<scalar_t>();
    const int64_t work_per_head = 2 * time * std::min(window_, time + ring_rows) * head_dim_;
    const int64_t grain = std::max<int64_t>(1, kWorkPerThread / work_per_head);
    model::ParallelFor(streams.size() * heads_, grain, [&](int64_t begin, int64_t end) {
      std::vector<scalar_t> scores(window_);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t stream = item / heads_;
        const int64_t head = item % heads_ * head_dim_;
        const int64_t first_row = stream * time * width + head;
        const int64_t start = positions[stream];
        const HeadRows<scalar_t> head_keys = {streams.State<scalar_t>(stream, keys_) + head,
                                              key + first_row, ring_rows, start, width};
        const HeadRows<scalar_t> head_values = {streams.State<scalar_t>(stream, values_) + head,
                                                value + first_row, ring_rows, start, width};
        for (int64_t t = 0; t < time; ++t) {
          const int64_t position = start + t;
          Attend(query + first_row + t * width, head_keys, head_values,
                 std::max<int64_t>(0, position - ring_rows), position, head_dim_, scores.data(),
                 result + first_row + t * width);
        }
      }
    });
    for (int64_t stream = 0; stream < streams.size(); ++stream) {
      const int64_t first_row = stream * time * width;
      Keep(key + first_row, positions[stream], time, ring_rows, width,
           streams.State<scalar_t>(stream, keys_));
      Keep(value + first_row, positions[stream], time, ring_rows, width,
           streams.State<scalar_t>(stream, values_));
    }
  });
  return out;
}

}  // namespace shoal::codec
