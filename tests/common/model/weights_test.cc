#include "common/model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/checkpoint/safetensors.h"

namespace shoal::model {
namespace {

using ::testing::HasSubstr;

struct Stored {
  const char* name;
  checkpoint::DType dtype;
  at::Tensor values;
};

class WeightsTest : public ::testing::Test {
 protected:
  WeightsTest() {
    const at::Tensor values = at::tensor({0.0, -1.5, 0.25, 3.0, 65504.0, 1.0}).view({2, 3});
    const at::Tensor whole = at::tensor({0, 1, 7, 100, 3, 127}).view({2, 3});
    stored_ = {{"f16", checkpoint::DType::kF16, values.to(at::kHalf)},
               {"bf16", checkpoint::DType::kBF16, values.to(at::kBFloat16)},
               {"f32", checkpoint::DType::kF32, values.to(at::kFloat)},
               {"f64", checkpoint::DType::kF64, values.to(at::kDouble)},
               {"i8", checkpoint::DType::kI8, whole.to(at::kChar)},
               {"u8", checkpoint::DType::kU8, whole.to(at::kByte)},
               {"i16", checkpoint::DType::kI16, whole.to(at::kShort)},
               {"i32", checkpoint::DType::kI32, whole.to(at::kInt)},
               {"i64", checkpoint::DType::kI64, whole.to(at::kLong)},
               {"bool", checkpoint::DType::kBool, whole.to(at::kBool)}};
    std::vector<checkpoint::NamedTensor> tensors;
    for (const Stored& tensor : stored_) {
      tensors.push_back({tensor.name,
                         {tensor.dtype,
                          {2, 3},
                          {static_cast<const std::byte*>(tensor.values.data_ptr()),
                           static_cast<size_t>(tensor.values.nbytes())}}});
    }
    directory_ = ::testing::TempDir() + "/weights_test";
    std::filesystem::create_directories(directory_);
    const absl::Status written =
        checkpoint::WriteSafetensors(directory_ + "/model.safetensors", tensors, {});
    EXPECT_TRUE(written.ok()) << written;
  }
  ~WeightsTest() override { std::filesystem::remove_all(directory_); }

  checkpoint::TensorStore Open() const {
    auto store = checkpoint::TensorStore::Open(directory_, "model");
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  std::string directory_;
  std::vector<Stored> stored_;
};

TEST_F(WeightsTest, EveryTypeArrivesWithoutLoss) {
  const checkpoint::TensorStore store = Open();
  for (const Stored& tensor : stored_) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const auto loaded = LoadWeight(store, tensor.name, {2, 3}, type);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_EQ(loaded->scalar_type(), type) << tensor.name;
      EXPECT_TRUE(loaded->is_contiguous());
      EXPECT_TRUE(at::equal(*loaded, tensor.values.to(type))) << tensor.name;
    }
  }
}

TEST_F(WeightsTest, WeightOutlivesItsFile) {
  at::Tensor weight;
  {
    const checkpoint::TensorStore store = Open();
    weight = *LoadWeight(store, "f32", {2, 3}, at::kFloat);
  }
  EXPECT_EQ(weight[0][1].item<float>(), -1.5f);
}

TEST_F(WeightsTest, ErrorsNameTheTensor) {
  const checkpoint::TensorStore store = Open();
  EXPECT_THAT(LoadWeight(store, "absent", {2, 3}, at::kFloat).status().ToString(),
              HasSubstr("absent"));
  EXPECT_THAT(LoadWeight(store, "f32", {3, 2}, at::kFloat).status().ToString(), HasSubstr("f32"));
  EXPECT_THAT(LoadWeight(store, "f32", {2, 3}, at::kBFloat16).status().ToString(),
              HasSubstr("f32"));
}

}  // namespace
}  // namespace shoal::model
