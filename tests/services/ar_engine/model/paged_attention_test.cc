#include "services/ar_engine/model/paged_attention.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "common/model/norm.h"
#include "common/model/rope.h"
#include "tests/services/ar_engine/model/tensor_calls.h"

namespace shoal::engine {
namespace {

struct Shape {
  int64_t heads, kv_heads, head_dim;
};

// Head sizes below, at and beyond the widths that the kernel takes at once.
const Shape kShapes[] = {{1, 1, 2},  {4, 2, 10}, {6, 2, 12}, {3, 3, 32},
                         {8, 2, 40}, {6, 6, 64}, {4, 1, 72}, {32, 8, 128}};

// Sequences of the given lengths in scattered blocks; every position is a row, in random order or
// one sequence after the other.
struct Batch {
  Batch(const Shape& shape, const std::vector<int64_t>& lengths, bool shuffled = true) {
    int64_t widest = 0, blocks = 0, n = 0;
    for (const int64_t length : lengths) {
      widest = std::max(widest, BlocksFor(length));
      blocks += BlocksFor(length);
      n += length;
    }
    const at::TensorOptions options(at::kInt);
    const at::Tensor scattered = at::randperm(blocks, options);
    rows.block_tables = at::zeros({static_cast<int64_t>(lengths.size()), widest}, options);
    std::vector<int32_t> positions, sequences;
    int64_t used = 0;
    for (size_t s = 0; s < lengths.size(); ++s) {
      const int64_t own = BlocksFor(lengths[s]);
      rows.block_tables[static_cast<int64_t>(s)].narrow(0, 0, own).copy_(
          scattered.narrow(0, used, own));
      used += own;
      for (int64_t p = 0; p < lengths[s]; ++p) {
        positions.push_back(static_cast<int32_t>(p));
        sequences.push_back(static_cast<int32_t>(s));
      }
    }
    const at::Tensor order = shuffled ? at::randperm(n) : at::arange(n);
    rows.position = at::tensor(positions, options).index_select(0, order);
    rows.sequence = at::tensor(sequences, options).index_select(0, order);
    // What a block holds beyond its sequence must not matter, even if it is no number.
    kv = at::full({blocks, 2, shape.kv_heads, kBlockPositions, shape.head_dim}, std::nan(""));
  }

  RowTensors rows;
  at::Tensor kv;
};

HeadTransform RandomTransform(int64_t head_dim, bool norm) {
  HeadTransform transform{at::Tensor(), at::Tensor(), 1e-6, model::RopeTable(200, head_dim, 10000)};
  if (norm) {
    transform.query_norm = at::randn({head_dim});
    transform.key_norm = at::randn({head_dim});
  }
  return transform;
}

at::Tensor Transformed(at::Tensor x, const at::Tensor& norm, const HeadTransform& transform,
                       const at::Tensor& positions) {
  if (norm.defined()) x = model::RmsNorm(x, norm, transform.norm_eps);
  return model::ApplyRope(x, transform.rope.index_select(0, positions));
}

// The plain twin: gathers a sequence's keys and values from the rows themselves.
at::Tensor PlainAttention(const Shape& shape, const at::Tensor& qkv, const HeadTransform& transform,
                          const RowTensors& rows) {
  const at::Tensor split = qkv.view({qkv.size(0), -1, shape.head_dim});
  const at::Tensor q =
      Transformed(split.narrow(1, 0, shape.heads), transform.query_norm, transform, rows.position);
  const at::Tensor k = Transformed(split.narrow(1, shape.heads, shape.kv_heads), transform.key_norm,
                                   transform, rows.position);
  const at::Tensor v = split.narrow(1, shape.heads + shape.kv_heads, shape.kv_heads);
  at::Tensor out = at::empty_like(q);
  for (int64_t row = 0; row < qkv.size(0); ++row) {
    const at::Tensor seen =
        at::nonzero((rows.sequence == rows.sequence[row]) & (rows.position <= rows.position[row]))
            .flatten();
    const int64_t group = shape.heads / shape.kv_heads;
    const at::Tensor keys = k.index_select(0, seen).repeat_interleave(group, 1).to(at::kDouble);
    const at::Tensor values = v.index_select(0, seen).repeat_interleave(group, 1).to(at::kDouble);
    const at::Tensor scores =
        at::einsum("hd,nhd->hn", {q[row].to(at::kDouble), keys}) / std::sqrt(shape.head_dim);
    out[row] = at::einsum("hn,nhd->hd", {at::softmax(scores, -1), values}).to(at::kFloat);
  }
  return out.flatten(1);
}

// Caches keys and values and returns the queries: (rows, heads, head_dim)
at::Tensor Cache(const Shape& shape, const at::Tensor& qkv, const HeadTransform& transform,
                 Batch& batch) {
  at::Tensor q = at::empty({qkv.size(0), shape.heads, shape.head_dim});
  CacheKeysAndValues(qkv.const_data_ptr<float>(), shape.heads, transform, batch.rows.places(),
                     batch.kv, q.mutable_data_ptr<float>());
  return q;
}

at::Tensor Attend(const at::Tensor& q, const at::Tensor& kv, const RowTensors& rows) {
  at::Tensor out = at::empty({q.size(0), q.size(1) * q.size(2)});
  PagedAttention(q.contiguous().const_data_ptr<float>(), q.size(1), kv, rows.places(),
                 out.mutable_data_ptr<float>());
  return out;
}

at::Tensor RandomQkv(const Shape& shape, const Batch& batch) {
  return at::randn(
      {batch.rows.position.size(0), (shape.heads + 2 * shape.kv_heads) * shape.head_dim});
}

TEST(PagedAttentionTest, EqualsThePlainTwin) {
  at::manual_seed(1);
  for (const Shape& shape : kShapes) {
    for (const bool norm : {false, true}) {
      // Shuffled and, without norms, in order: there rows of a sequence share a pass.
      Batch batch(shape, {1, 15, 16, 17, 70}, norm);
      const HeadTransform transform = RandomTransform(shape.head_dim, norm);
      const at::Tensor qkv = RandomQkv(shape, batch);
      const at::Tensor q = Cache(shape, qkv, transform, batch);
      const at::Tensor out = Attend(q, batch.kv, batch.rows);
      EXPECT_TRUE(at::allclose(out, PlainAttention(shape, qkv, transform, batch.rows), 1e-4, 1e-5))
          << shape.heads << " heads of " << shape.head_dim << ", norm " << norm;
    }
  }
}

TEST(PagedAttentionTest, RowIsBitEqualAloneAndInAnyBatch) {
  at::manual_seed(2);
  for (const Shape& shape : kShapes) {
    Batch batch(shape, {5, 33, 48}, false);
    const HeadTransform transform = RandomTransform(shape.head_dim, true);
    const at::Tensor q = Cache(shape, RandomQkv(shape, batch), transform, batch);
    const at::Tensor all = Attend(q, batch.kv, batch.rows);
    for (int64_t row = 0; row < q.size(0); ++row) {
      const RowTensors alone{batch.rows.position.narrow(0, row, 1),
                             batch.rows.sequence.narrow(0, row, 1), batch.rows.block_tables};
      EXPECT_TRUE(at::equal(Attend(q.narrow(0, row, 1), batch.kv, alone), all.narrow(0, row, 1)));
    }
  }
}

TEST(PagedAttentionTest, ThreadsChangeNothing) {
  at::manual_seed(3);
  const Shape shape{8, 2, 64};
  Batch batch(shape, {150, 150, 20});
  const at::Tensor q = Cache(shape, RandomQkv(shape, batch), RandomTransform(64, false), batch);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = Attend(q, batch.kv, batch.rows);
  at::set_num_threads(3);
  const at::Tensor three = Attend(q, batch.kv, batch.rows);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, three));
}

TEST(PagedAttentionTest, LargeScoresDoNotOverflow) {
  const Shape shape{1, 1, 8};
  Batch batch(shape, {20});
  const at::Tensor qkv = RandomQkv(shape, batch) * 1000;
  const at::Tensor q = Cache(shape, qkv, RandomTransform(8, false), batch);
  EXPECT_TRUE(at::isfinite(Attend(q, batch.kv, batch.rows)).all().item<bool>());
}

TEST(PagedAttentionTest, CacheOfAnotherShapeIsRefused) {
  const Shape shape{2, 2, 8};
  Batch batch(shape, {4});
  const at::Tensor kv = std::exchange(batch.kv, at::zeros({1, 2, 2, 8, 8}));
  EXPECT_THROW(Cache(shape, RandomQkv(shape, batch), RandomTransform(8, false), batch), c10::Error);
  EXPECT_THROW(Attend(at::ones({4, 3, 8}), kv, batch.rows), c10::Error);
}

}  // namespace
}  // namespace shoal::engine
