#include "loadtest/simulation/workload.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "gtest/gtest.h"
#include "loadtest/simulation/random.h"

namespace shoal::simulation {
namespace {

size_t SharedPrefix(const engine::Request& a, const engine::Request& b) {
  const auto end =
      std::mismatch(a.token_ids.begin(), a.token_ids.end(), b.token_ids.begin(), b.token_ids.end());
  return end.first - a.token_ids.begin();
}

TEST(Workload, IsAFunctionOfItsSeed) {
  const Workload one = MakeWorkload({.seed = 7}), again = MakeWorkload({.seed = 7});
  const Workload other = MakeWorkload({.seed = 8});
  ASSERT_EQ(one.clients.size(), again.clients.size());
  for (size_t i = 0; i < one.clients.size(); ++i) {
    EXPECT_EQ(one.clients[i].arrival, again.clients[i].arrival);
    EXPECT_EQ(one.clients[i].frames(), again.clients[i].frames());
    EXPECT_EQ(one.clients[i].voice, again.clients[i].voice);
  }
  EXPECT_NE(one.clients[0].arrival, other.clients[0].arrival);
}

TEST(Workload, OffersTheAudioOfSoManyListeners) {
  const WorkloadOptions options{.clients = 100, .seconds = 2000};
  double audio = 0;
  for (const Client& client : MakeWorkload(options).clients) {
    audio += client.frames() * options.frame_seconds;
  }
  EXPECT_NEAR(audio / options.seconds, 100, 5);
}

TEST(Workload, TurnsAreAboutAsLongAsAsked) {
  std::vector<double> seconds;
  const WorkloadOptions options{.clients = 100, .seconds = 1000};
  for (const Client& client : MakeWorkload(options).clients) {
    EXPECT_FALSE(client.turns.empty());
    for (const Turn& turn : client.turns) seconds.push_back(turn.frames * options.frame_seconds);
  }
  std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2, seconds.end());
  EXPECT_NEAR(seconds[seconds.size() / 2], 8, 0.3);
}

TEST(Workload, TheFirstVoiceIsAskedForMost) {
  const WorkloadOptions options{.clients = 100, .seconds = 2000};
  std::vector<int> asked(options.voices);
  int all = 0;
  for (const Client& client : MakeWorkload(options).clients) {
    ++asked.at(client.voice);
    ++all;
  }
  // 1 / (1 + 1/2 + ... + 1/200) = 0.17
  EXPECT_NEAR(static_cast<double>(asked[0]) / all, 0.17, 0.02);
  EXPECT_NEAR(static_cast<double>(asked[0]) / asked[1], 2, 0.3);
}

TEST(Workload, PromptsOfOneVoiceShareItsReference) {
  const WorkloadOptions options;
  const Workload workload = MakeWorkload(options);
  std::vector<int> first_voice, others;
  for (size_t i = 0; i < workload.clients.size(); ++i) {
    (workload.clients[i].voice == 0 ? first_voice : others).push_back(static_cast<int>(i));
  }
  ASSERT_GE(first_voice.size(), 2u);
  ASSERT_FALSE(others.empty());
  const engine::Request request = MakeRequest(options, workload, first_voice[0], 0);
  EXPECT_GE(SharedPrefix(request, MakeRequest(options, workload, first_voice[1], 0)),
            static_cast<size_t>(request.pinned_length));
  EXPECT_EQ(SharedPrefix(request, MakeRequest(options, workload, others[0], 0)),
            static_cast<size_t>(options.prefix_tokens));
}

TEST(Workload, ALaterTurnSeesTheEarlierOneWithItsAudio) {
  const WorkloadOptions options;
  const Workload workload = MakeWorkload(options);
  const auto client = std::find_if(workload.clients.begin(), workload.clients.end(),
                                   [](const Client& c) { return c.turns.size() > 1; });
  ASSERT_NE(client, workload.clients.end());
  const int index = static_cast<int>(client - workload.clients.begin());
  const engine::Request first = MakeRequest(options, workload, index, 0);
  const engine::Request second = MakeRequest(options, workload, index, 1);
  EXPECT_EQ(SharedPrefix(first, second), first.token_ids.size());
  const int frames = client->turns[0].frames;
  EXPECT_EQ(FramesOfSeed(first.sampling.seed), frames);
  for (int frame = 0; frame < frames; ++frame) {
    EXPECT_EQ(second.codes[first.codes.size() + frame], DrawnCode(first.sampling.seed, frame));
  }
  EXPECT_EQ(second.token_ids.size(),
            first.token_ids.size() + frames + client->turns[1].text_tokens + options.turn_tokens);
}

TEST(Random, DrawsWhatItSays) {
  Random random(3);
  constexpr int kDraws = 200000;
  double exponential = 0, normal = 0, squares = 0, geometric = 0;
  for (int i = 0; i < kDraws; ++i) {
    exponential += random.Exponential(3);
    const double value = random.Normal();
    normal += value;
    squares += value * value;
    geometric += random.Geometric(2.5);
  }
  EXPECT_NEAR(exponential / kDraws, 3, 0.05);
  EXPECT_NEAR(normal / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.02);
  EXPECT_NEAR(geometric / kDraws, 2.5, 0.03);
}

}  // namespace
}  // namespace shoal::simulation
