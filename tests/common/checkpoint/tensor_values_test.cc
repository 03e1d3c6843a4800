#include "common/checkpoint/tensor_values.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::checkpoint {
namespace {

using ::testing::ElementsAre;

template <typename T>
TensorView View(DType dtype, const std::vector<T>& values) {
  return {dtype,
          {static_cast<int64_t>(values.size())},
          absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values.data()),
                              values.size() * sizeof(T))};
}

TEST(TensorValuesTest, HalvesAreExact) {
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(HalfToFloat(0xc000), -2.0f);
  EXPECT_EQ(HalfToFloat(0x7bff), 65504.0f);
  EXPECT_EQ(HalfToFloat(0x0400), std::ldexp(1.0f, -14));  // smallest normal
  EXPECT_EQ(HalfToFloat(0x0001), std::ldexp(1.0f, -24));  // smallest subnormal
  EXPECT_EQ(HalfToFloat(0x8000), 0.0f);
  EXPECT_TRUE(std::signbit(HalfToFloat(0x8000)));
  EXPECT_EQ(HalfToFloat(0x7c00), INFINITY);
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7e00)));
}

TEST(TensorValuesTest, BFloat16RoundsToNearestEven) {
  EXPECT_EQ(FloatToBFloat16(1.0f), 0x3f80);
  EXPECT_EQ(FloatToBFloat16(1.0f + 1.0f / 256), 0x3f80);   // tie, down to even
  EXPECT_EQ(FloatToBFloat16(1.0f + 3.0f / 256), 0x3f82);   // tie, up to even
  EXPECT_EQ(FloatToBFloat16(1.0f + 1.01f / 256), 0x3f81);  // above the tie
  EXPECT_EQ(FloatToBFloat16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_TRUE(std::isnan(BFloat16ToFloat(FloatToBFloat16(NAN))));
  for (int bits = 0; bits < 65536; ++bits) {
    const float value = BFloat16ToFloat(static_cast<uint16_t>(bits));
    if (!std::isnan(value)) {
      EXPECT_EQ(FloatToBFloat16(value), bits);
    }
  }
}

TEST(TensorValuesTest, ReadsUnalignedBytes) {
  std::vector<char> bytes(9);
  const float values[] = {1.5f, -2.0f};
  std::memcpy(bytes.data() + 1, values, sizeof(values));
  const TensorView view{
      DType::kF32,
      {2},
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()) + 1, 8)};
  EXPECT_THAT(ToFloats(view), ElementsAre(1.5f, -2.0f));
}

TEST(TensorValuesTest, ConvertsEveryDtype) {
  EXPECT_THAT(ToFloats(View<uint16_t>(DType::kF16, {0x3c00})), ElementsAre(1.0f));
  EXPECT_THAT(ToFloats(View<uint16_t>(DType::kBF16, {0x3f80})), ElementsAre(1.0f));
  EXPECT_THAT(ToFloats(View<double>(DType::kF64, {0.25})), ElementsAre(0.25f));
  EXPECT_THAT(ToFloats(View<int16_t>(DType::kI16, {-3})), ElementsAre(-3.0f));
  EXPECT_THAT(ToInt64s(View<uint8_t>(DType::kU8, {200})), ElementsAre(200));
  EXPECT_THAT(ToInt64s(View<int8_t>(DType::kI8, {-56})), ElementsAre(-56));
  EXPECT_THAT(ToInt64s(View<uint8_t>(DType::kBool, {0, 1})), ElementsAre(0, 1));
  EXPECT_THAT(ToInt64s(View<int32_t>(DType::kI32, {-5})), ElementsAre(-5));
  EXPECT_THAT(ToInt64s(View<int64_t>(DType::kI64, {int64_t{1} << 40})),
              ElementsAre(int64_t{1} << 40));
}

TEST(TensorValuesTest, FindsWhatIsNotFinite) {
  EXPECT_TRUE(AllFinite(View<float>(DType::kF32, {1, 2})));
  EXPECT_FALSE(AllFinite(View<float>(DType::kF32, {1, NAN})));
  EXPECT_FALSE(AllFinite(View<uint16_t>(DType::kBF16, {0xff80})));
}

}  // namespace
}  // namespace shoal::checkpoint
