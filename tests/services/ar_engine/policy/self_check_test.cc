#include "services/ar_engine/policy/self_check.h"

#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/ar_engine/policy/hashing_model.h"

namespace shoal::engine {
namespace {

using ::testing::HasSubstr;

TEST(SelfCheckTest, AWorkingModelPasses) {
  HashingModel model({});
  EXPECT_TRUE(CheckModel(model).ok());
  HashingModel smallest({.num_blocks = 1, .num_codebooks = 1, .max_seq_len = 1});
  EXPECT_TRUE(CheckModel(smallest).ok());
}

TEST(SelfCheckTest, SaysWhyAModelIsUnusable) {
  HashingModel fails({});
  fails.next_step = absl::InternalError("no such kernel");
  EXPECT_THAT(std::string(CheckModel(fails).message()), HasSubstr("no such kernel"));
  HashingModel not_finite({});
  not_finite.broken_seeds = {0};
  EXPECT_THAT(std::string(CheckModel(not_finite).message()), HasSubstr("not finite"));
}

}  // namespace
}  // namespace shoal::engine
