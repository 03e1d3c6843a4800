// Random workloads over PrefixCache: what it does is what the plain model does, step by step.
#include <cstdint>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tests/services/ar_engine/policy/prefix_workload.h"

namespace shoal::engine {
namespace {

struct Size {
  int blocks, max_pinned;
};

class PrefixPropertyTest : public ::testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Hashes, PrefixPropertyTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Constant" : "Seeded"; });

TEST_P(PrefixPropertyTest, DoesWhatThePlainModelDoes) {
  PrefixCache::Stats total;
  for (const Size size : {Size{3, 1}, Size{24, 6}, Size{60, 0}, Size{60, 60}}) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
      SCOPED_TRACE("blocks " + std::to_string(size.blocks) + " seed " + std::to_string(seed));
      std::mt19937 random(seed);
      PrefixWorkload workload(
          {.blocks = size.blocks, .max_pinned = size.max_pinned, .constant_hash = GetParam()},
          [&](uint32_t n) { return static_cast<uint32_t>(random() % n); });
      for (int step = 0; step < 400; ++step) {
        ASSERT_EQ(workload.Step(), "") << "step " << step;
      }
      ASSERT_EQ(workload.Finish(), "");
      total.lookups += workload.stats().lookups;
      total.hit_positions += workload.stats().hit_positions;
      total.inserted += workload.stats().inserted;
      total.evicted += workload.stats().evicted;
    }
  }
  // It was not all misses.
  EXPECT_GT(total.hit_positions, 5 * total.lookups);
  EXPECT_GT(total.evicted, 3000u);
  EXPECT_EQ(total.evicted, total.inserted);
}

}  // namespace
}  // namespace shoal::engine
