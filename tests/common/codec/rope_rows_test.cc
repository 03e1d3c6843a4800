#include "common/codec/rope_rows.h"

#include <cstring>
#include <vector>

#include "common/model/rope.h"
#include "gtest/gtest.h"

namespace shoal::codec {
namespace {

TEST(RopeRowsTest, RowsAreThoseOfTheTableBitForBit) {
  constexpr int64_t kPositions = 20000;
  for (const int64_t head_dim : {2, 16, 64}) {
    const RopeRows rows(head_dim, 10000);
    for (const int64_t start : {int64_t{0}, int64_t{1'000'000}}) {
      const at::Tensor table = model::RopeRows(start, kPositions, head_dim, 10000);
      std::vector<float> row(head_dim);
      for (int64_t i = 0; i < kPositions; ++i) {
        rows.Fill(start + i, row.data());
        ASSERT_EQ(std::memcmp(row.data(), table.const_data_ptr<float>() + i * head_dim,
                              sizeof(float) * head_dim),
                  0)
            << "position " << start + i << ", head size " << head_dim;
      }
    }
  }
}

}  // namespace
}  // namespace shoal::codec
