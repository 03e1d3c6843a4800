// VoiceWorkload: what clients of a voice service ask for, one after the other.
//
// 64 voices whose popularity is Zipf's: the n-th is asked for 1/n times as often as the first. A
// voice is a reference of 10 to 30 s, its transcript, and some 20 tokens of instructions. A request
// is a voice and a text of 50 to 200 tokens that nobody has asked for before. Two in five begin a
// dialogue of 2 to 5 turns, each of which has all turns before it, text and frames, in its prompt,
// and which ends early where that becomes too long.
//
// Its state is what random numbers say: the same seed gives the same requests.
#ifndef SHOAL_TESTS_BENCH_VOICE_WORKLOAD_H_
#define SHOAL_TESTS_BENCH_VOICE_WORKLOAD_H_

#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "services/ar_engine/policy/sequence.h"

namespace shoal::bench {

class VoiceWorkload {
 public:
  static constexpr int kVoices = 64;
  static constexpr int kCodebooks = 5;
  static constexpr int32_t kSemanticStart = 20000;
  static constexpr int32_t kSemanticCodes = 1024;
  static constexpr int kMaxPositions = 4096;  // of a prompt and its frames

  struct Speech {
    double frames_per_second;
    double tokens_per_second;
  };
  // A tokenizer of word pieces and the frame rate of S2; one of bytes and that of the default
  // voice.
  static constexpr Speech kWordPieces = {21.5, 3.5};
  static constexpr Speech kBytes = {25, 15};

  // A client with nothing to say yet.
  struct Client {
    engine::Request last;  // with the frames that came of it; no tokens: none
    int turns_left = 0;
  };

  VoiceWorkload(const Speech& speech, uint64_t seed);

  // The next request of a client: the next turn of its dialogue, or something new.
  engine::Request Next(Client& client);

  // Of the requests so far: positions of their prompts, and those of them that some earlier prompt,
  // or a finished turn of the dialogue, began with. No cache can save more.
  int64_t prompt_positions() const { return prompt_positions_; }
  int64_t known_positions() const { return known_positions_; }

 private:
  int Between(int least, int most);
  void AddText(engine::Request& request, int tokens);
  void AddFrames(engine::Request& request, int frames);
  // The turn of a dialogue, or nothing: something new begins.
  bool GoesOn(const Client& client, int tokens) const;
  int FramesOf(int tokens) const;

  const Speech speech_;
  std::mt19937_64 random_;
  std::vector<engine::Request> voices_;
  std::vector<double> popularity_;
  std::set<int> heard_;  // voices
  uint64_t requests_ = 0;
  int64_t prompt_positions_ = 0, known_positions_ = 0;
};

}  // namespace shoal::bench

#endif  // SHOAL_TESTS_BENCH_VOICE_WORKLOAD_H_
