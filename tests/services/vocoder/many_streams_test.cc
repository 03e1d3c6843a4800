// Many streams through few slots, with all that may happen to them at random.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/services/vocoder/loop_fixture.h"

namespace shoal::vocoder {
namespace {

class ManyStreamsTest : public DecodeLoopTest {
 protected:
  ManyStreamsTest() : DecodeLoopTest(16, {.gap_limit = std::chrono::hours(1)}) {}

  struct Source {
    StreamKey key;
    std::vector<FrameCodes> frames;
    std::vector<uint32_t> order;  // in which frames are sent
    size_t sent = 0;
    uint32_t credit = 0;
    uint32_t attempt = 0;
  };

  Source NewSource(uint64_t id) {
    StreamStart start;
    start.whole_file = random_() % 4 == 0;
    start.max_frames_per_chunk = static_cast<int>(random_() % 3 * 3);
    Source source = {.key = Open(id, 1, start), .frames = {}, .order = {}};
    source.frames = Frames(1 + static_cast<int>(random_() % 40), static_cast<int>(id * 7));
    SetOrder(source, 0);
    return source;
  }

  // Neighbours trade places, some frames come twice.
  void SetOrder(Source& source, uint32_t first) {
    source.order.clear();
    source.sent = 0;
    for (uint32_t i = first; i < source.frames.size(); ++i) {
      source.order.push_back(i);
      if (random_() % 5 == 0) source.order.push_back(i);
    }
    for (size_t i = 0; i + 1 < source.order.size(); ++i) {
      if (random_() % 4 == 0) std::swap(source.order[i], source.order[i + 1]);
    }
  }

  void SendSome(Source& source) {
    for (size_t burst = random_() % 6; burst > 0 && source.sent < source.order.size(); --burst) {
      const uint32_t number = source.order[source.sent++];
      Push(source.key, 0, number, {source.frames[number]});
    }
    if (source.sent == source.order.size()) {
      Push(source.key, 0, static_cast<uint32_t>(source.frames.size()), {}, /*last=*/true);
    }
    // The front's news come late and out of order.
    if (random_() % 3 == 0) source.credit += random_() % 12;
    if (source.sent == source.order.size() || random_() % 2 == 0) source.credit += 20;
    const auto late = static_cast<uint32_t>(random_() % 3);
    loop_.Hear(source.key, {.frames = source.credit - std::min(source.credit, late),
                            .buffered = std::chrono::milliseconds(random_() % 700),
                            .next_frame = static_cast<uint32_t>(random_() % 5)});
  }

  // Another engine makes the rest anew.
  void MaybeResume(Source& source) {
    if (source.attempt > 2 || random_() % 12 != 0) return;
    if (heard_.streams[source.key].ends > 0 || loop_.Find(source.key) == nullptr) return;
    const auto heard = static_cast<uint32_t>(heard_.streams[source.key].codes.size());
    const uint32_t cut = random_() % (heard + 1);
    loop_.Resume(source.key, 0, ++source.attempt, cut);
    source.frames.resize(cut);
    const auto others = Frames(1 + static_cast<int>(random_() % 20), static_cast<int>(random_()));
    source.frames.insert(source.frames.end(), others.begin(), others.end());
    SetOrder(source, cut);
  }

  std::mt19937 random_{5};
};

// 200 streams through 16 slots, frames in random order and portions, cancelled, resumed, paused and
// gone on: everybody hears what a stream alone would.
TEST_F(ManyStreamsTest, RandomStreamsSoundAsTheyWouldAlone) {
  std::vector<Source> live;
  uint64_t opened = 0, ended = 0;
  while (ended < 200) {
    if (opened < 200 && loop_.free_slots() > 0) live.push_back(NewSource(opened++));
    const size_t chosen = random_() % live.size();
    SendSome(live[chosen]);
    const bool cancel = random_() % 50 == 0;
    now_ += std::chrono::milliseconds(random_() % 20);
    loop_.Step([&] {  // when samples are there and not sent yet
      if (cancel) {
        loop_.Close(live[chosen].key);
      } else {
        MaybeResume(live[random_() % live.size()]);
      }
    });
    if (cancel) {
      loop_.Close(live[chosen].key);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(chosen));
      ++ended;
    }
    for (size_t i = 0; i < live.size();) {
      const Recorder::Heard& heard = heard_.streams[live[i].key];
      ASSERT_TRUE(heard.failure.ok()) << heard.failure;
      if (heard.ends == 0) {
        ++i;
        continue;
      }
      EXPECT_EQ(heard.pcm, SummingDecoder::Expected(live[i].frames));
      EXPECT_EQ(heard.codes, live[i].frames);
      loop_.Close(live[i].key);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(i));
      ++ended;
    }
  }
  EXPECT_EQ(loop_.free_slots(), 16);
  EXPECT_GT(decoder_.replayed(), 0);
}

}  // namespace
}  // namespace shoal::vocoder
