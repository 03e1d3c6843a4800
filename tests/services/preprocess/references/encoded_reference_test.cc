#include "services/preprocess/references/encoded_reference.h"

#include <gtest/gtest.h>

#include "tests/services/preprocess/references/made_references.h"

namespace shoal::preprocess {
namespace {

using ::shoal::testing::kCodebooks;
using ::shoal::testing::MadeReference;
using ::shoal::testing::Same;

TEST(EncodedReference, UnpacksWhatWasPacked) {
  for (int number = 0; number < 10; ++number) {
    const EncodedReference reference = MadeReference(number, 1 + 7 * number);
    const SharedReference back =
        UnpackReference(PackReference(reference, "name"), "name", kCodebooks);
    ASSERT_NE(back, nullptr);
    EXPECT_TRUE(Same(*back, reference));
  }
}

TEST(EncodedReference, AnyDamageIsFound) {
  const std::string packed = PackReference(MadeReference(3, 4), "name");
  for (size_t at = 0; at < packed.size(); ++at) {
    for (const char bit : {1, 64}) {
      std::string damaged = packed;
      damaged[at] ^= bit;
      EXPECT_EQ(UnpackReference(damaged, "name", kCodebooks), nullptr) << at;
    }
    EXPECT_EQ(UnpackReference(packed.substr(0, at), "name", kCodebooks), nullptr) << at;
  }
  EXPECT_EQ(UnpackReference(packed + '\0', "name", kCodebooks), nullptr);
}

TEST(EncodedReference, AnotherNameOrShapeIsRefused) {
  const std::string packed = PackReference(MadeReference(1, 6), "name");
  EXPECT_EQ(UnpackReference(packed, "Name", kCodebooks), nullptr);
  EXPECT_EQ(UnpackReference(packed, "name", kCodebooks + 1), nullptr);
  EXPECT_EQ(UnpackReference(packed, "name", 0), nullptr);
  // Whole, but without a frame.
  EXPECT_EQ(UnpackReference(PackReference(EncodedReference(), "name"), "name", kCodebooks),
            nullptr);
}

}  // namespace
}  // namespace shoal::preprocess
