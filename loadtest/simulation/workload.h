// Workload: who comes when and what they want spoken. A function of its options and seed alone.
//
// Clients arrive as a Poisson process, each for one utterance of one or more turns in one of many
// voices. A turn's prompt is the voice's reference, the turns so far with their audio, and the new
// text, so voices and earlier turns are there to be found in a prefix cache.
#ifndef SHOAL_LOADTEST_SIMULATION_WORKLOAD_H_
#define SHOAL_LOADTEST_SIMULATION_WORKLOAD_H_

#include <cstdint>
#include <vector>

#include "services/ar_engine/policy/sequence.h"

namespace shoal::simulation {

struct WorkloadOptions {
  uint64_t seed = 1;
  // Mean number of clients that listen at a time (Little's law), if nobody ever waits.
  double clients = 64;
  double seconds = 60;  // of arrivals

  int voices = 200;
  double zipf = 1.0;  // voice number r is asked for in proportion to r^-zipf
  // References of 10 to 30 s, as the model's authors advise.
  double shortest_reference = 10, longest_reference = 30;
  // Text is about 2.6 words a second of English speech, at 1.3 tokens a word.
  double tokens_a_second = 3.4;
  int prefix_tokens = 24, turn_tokens = 12;  // of the prompt's own words (chat format)
  double median_turn = 8, sigma_turn = 0.5;  // seconds of audio, lognormal
  double shortest_turn = 0.5, longest_turn = 40;
  double mean_turns = 2.5;  // geometric
  int most_turns = 12;
  double frame_seconds = 2048.0 / 44100;
};

struct Turn {
  int text_tokens = 0;
  int frames = 0;
};

struct Client {
  double arrival = 0;
  int voice = 0;
  std::vector<Turn> turns = {};

  int frames() const;
};

struct Workload {
  std::vector<int> voice_reference_frames;  // by voice
  std::vector<int> voice_text_tokens;
  std::vector<Client> clients = {};  // in order of arrival
};

Workload MakeWorkload(const WorkloadOptions& options);

// Mean seconds of audio of one client of such a workload.
double MeanAudioSeconds(const WorkloadOptions& options);

// The engine's request for a turn; the earlier turns' codes are those that DrawnCode() gives.
// One codebook stands for all: only the length of a prompt and what it shares matter here.
engine::Request MakeRequest(const WorkloadOptions& options, const Workload& workload,
                            int client_index, int turn);

inline constexpr int32_t kSemanticStart = 151678, kSemanticCodes = 4096;

// The seed of a request carries how many frames its turn has.
inline int FramesOfSeed(uint64_t seed) { return static_cast<int>(seed & 0xffff); }
// The semantic code that frame `frame` of the request with this seed gets.
int32_t DrawnCode(uint64_t seed, uint32_t frame);

}  // namespace shoal::simulation

#endif  // SHOAL_LOADTEST_SIMULATION_WORKLOAD_H_
