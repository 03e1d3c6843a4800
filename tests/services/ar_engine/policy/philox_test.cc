#include "services/ar_engine/policy/philox.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::engine {
namespace {

// The known-answer vectors published with Random123 (kat_vectors, "philox4x32 10").
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, TheSeedsLowHalfIsTheFirstKeyWord) {
  EXPECT_EQ(PhiloxKeyOf(0x299f31d0a4093822u), (PhiloxKey{0xa4093822, 0x299f31d0}));
}

TEST(PhiloxTest, UnitIntervalIsOpenAtZeroAndClosedAtOne) {
  EXPECT_EQ(UnitInterval(0), 0x1p-32);
  EXPECT_EQ(UnitInterval(0x7fffffff), 0.5);
  EXPECT_EQ(UnitInterval(0xffffffff), 1.0);
}

}  // namespace
}  // namespace shoal::engine
