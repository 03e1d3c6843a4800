#include "services/vocoder/listener_buffer.h"

#include <gtest/gtest.h>

namespace shoal::vocoder {
namespace {

using std::chrono::milliseconds;

TEST(ListenerBufferTest, DrainsAsTimePassesAndNotBelowNothing) {
  ListenerBuffer buffer;
  const ListenerBuffer::Clock::time_point start{milliseconds(5000)};
  EXPECT_EQ(buffer.At(start).count(), 0);
  buffer.Add(milliseconds(300), start);
  EXPECT_NEAR(buffer.At(start + milliseconds(100)).count(), 0.2, 1e-9);
  EXPECT_EQ(buffer.At(start + milliseconds(900)).count(), 0);
  // Silence is not owed: what comes after it is there in full.
  buffer.Add(milliseconds(50), start + milliseconds(900));
  EXPECT_NEAR(buffer.At(start + milliseconds(900)).count(), 0.05, 1e-9);
}

TEST(ListenerBufferTest, NewsReplaceWhatWasReckoned) {
  ListenerBuffer buffer;
  const ListenerBuffer::Clock::time_point start{milliseconds(5000)};
  buffer.Add(milliseconds(300), start);
  buffer.Set(milliseconds(1000), start + milliseconds(200));
  EXPECT_NEAR(buffer.At(start + milliseconds(300)).count(), 0.9, 1e-9);
}

}  // namespace
}  // namespace shoal::vocoder
