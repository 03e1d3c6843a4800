#include "common/codec/buffer_pool.h"

#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::codec {
namespace {

TEST(BufferPoolTest, MemoryIsUsedAgain) {
  const BufferPool pool;
  std::set<const void*> places;
  for (int i = 0; i < 100; ++i) {
    const at::Tensor tensor = pool.Empty({100, 1000 + i % 3}, at::kFloat);
    EXPECT_EQ(tensor.sizes(), at::IntArrayRef({100, 1000 + i % 3}));
    EXPECT_TRUE(tensor.is_contiguous());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % 64, 0u);
    places.insert(tensor.const_data_ptr());
  }
  EXPECT_EQ(places.size(), 1u) << "sizes that are nearly equal share a block";
}

TEST(BufferPoolTest, TensorsInUseDoNotShareMemory) {
  const BufferPool pool;
  std::vector<at::Tensor> tensors;
  for (int i = 0; i < 50; ++i) {
    tensors.push_back(pool.Empty({7 * i}, at::kDouble));
    tensors.back().fill_(i);
  }
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(tensors[i].eq(i).all().item<bool>()) << i;
}

TEST(BufferPoolTest, TensorsOutliveThePool) {
  std::optional<BufferPool> pool(std::in_place);
  at::Tensor tensor = pool->Empty({1000}, at::kFloat);
  pool.reset();
  tensor.fill_(3);
  EXPECT_EQ(tensor.sum().item<float>(), 3000);
}

TEST(BufferPoolTest, ThreadsMayShareIt) {
  const BufferPool pool;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      for (int i = 0; i < 500; ++i) {
        at::Tensor tensor = pool.Empty({64 + i % 7}, at::kFloat);
        auto* values = tensor.mutable_data_ptr<float>();
        for (int64_t j = 0; j < tensor.numel(); ++j) values[j] = static_cast<float>(t);
        for (int64_t j = 0; j < tensor.numel(); ++j) ASSERT_EQ(values[j], t);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace shoal::codec
