#include "common/codec/attend.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::codec {
namespace {

// A query and rows of random numbers, in both types.
template <typename T>
struct Rows {
  Rows(int64_t count, int64_t head_dim, uint32_t seed)
      : count(count),
        head_dim(head_dim),
        query(head_dim),
        out(head_dim),
        store(2 * count * head_dim) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (T& value : query) value = normal(random);
    for (T& value : store) value = normal(random);
    for (int64_t i = 0; i < count; ++i) {
      keys.push_back(store.data() + i * head_dim);
      values.push_back(store.data() + (count + i) * head_dim);
    }
  }

  const std::vector<T>& Run() {
    std::vector<T> weights(AttendScratch(count));
    Attend(query.data(), keys.data(), values.data(), count, head_dim, weights.data(), out.data());
    return out;
  }

  int64_t count;
  int64_t head_dim;
  std::vector<T> query, out, store;
  std::vector<const T*> keys, values;
};

TEST(AttendTest, FloatMatchesDouble) {
  for (const int64_t count : {1, 2, 3, 4, 5, 7, 8, 9, 127, 128}) {
    for (const int64_t head_dim : {2, 6, 8, 10, 16, 64, 70, 128}) {
      Rows<float> found(count, head_dim, 1);
      Rows<double> expected(count, head_dim, 1);
      found.Run();
      expected.Run();
      for (int64_t d = 0; d < head_dim; ++d) {
        ASSERT_NEAR(found.out[d], expected.out[d], 3e-6) << count << " rows of " << head_dim;
      }
    }
  }
}

TEST(AttendTest, LargeScoresDoNotOverflow) {
  Rows<float> rows(20, 8, 2);
  for (float& value : rows.query) value *= 1e4f;
  for (const float value : rows.Run()) EXPECT_TRUE(std::isfinite(value));
}

TEST(AttendTest, AKeyThatIsNoNumberIsSeen) {
  for (int64_t bad = 0; bad < 13; ++bad) {
    Rows<float> rows(13, 8, 3);
    rows.store[bad * 8] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(rows.Run()[0])) << bad;
  }
}

}  // namespace
}  // namespace shoal::codec
