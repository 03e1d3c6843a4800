// Comparison: deadline scheduling against two other ways to serve, over loads and seeds.
//
// Equal time to first audio means: deadline scheduling has one setting for everything; of each
// other way, for every load and every seed anew, that setting counts which has the least underrun
// among those whose first audio (p95) is not later than deadline scheduling's, give or take
// kEqual. So the others are tuned in hindsight and deadline scheduling is not.
#ifndef SHOAL_LOADTEST_SIMULATION_COMPARISON_H_
#define SHOAL_LOADTEST_SIMULATION_COMPARISON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "loadtest/simulation/simulation.h"

namespace shoal::simulation {

// One way to serve, with all settings of it that are tried.
struct Way {
  std::string name;
  std::vector<Policy> settings;
};

Way Deadline();
// First come, first served, at several caps on running requests and prompt positions a step.
Way FirstCome();
// Audio leaves in chunks of a fixed number of frames, first come, first served: what servers do
// that hand a chunk of codes to a vocoder whenever it is full.
Way FixedChunks();

struct ComparisonOptions {
  RunOptions run;  // its policy, seed and number of clients are set from what follows
  std::vector<double> loads;
  std::vector<uint64_t> seeds;
  std::vector<Way> ways;  // the first one is compared with each of the others
  int threads = 2;
};

// A run of the comparison.
struct Outcome {
  double load = 0;
  uint64_t seed = 0;
  int way = 0, setting = 0;
  Summary summary = {};
  double gpu_busy = 0, mean_rows = 0;
};

// All runs, ordered by load, seed, way, setting, whatever the number of threads.
std::vector<Outcome> RunAll(const ComparisonOptions& options);

enum class Verdict {
  kLess,    // the first way has less underrun
  kEqual,   // neither, by more than kSameSeconds or kSameShare
  kMore,    // the other has less, with first audio not later
  kSlower,  // the other has less underrun, but only with later first audio
};

inline constexpr double kEqualShare = 0.02, kEqualSeconds = 0.001;  // of first audio
// Of underrun: seconds, mean of a client, and a share of the larger one.
inline constexpr double kSameSeconds = 0.001, kSameShare = 0.01;

// Of one load and seed. `other` holds a summary a setting. `chosen`, if not null, gets the index of
// the setting that counted.
Verdict Judge(const Summary& first, const std::vector<Summary>& other, int* chosen = nullptr);

// Verdicts over seeds, and both ways' underrun in the runs that counted.
struct Tally {
  int less = 0, equal = 0, more = 0, slower = 0;
  double first_underrun = 0, other_underrun = 0;  // sums of the seeds' means

  void Add(const Tally& other);
  int decided() const { return less + more + slower; }
};

// The first way against way `way` at one load.
Tally TallyOf(const std::vector<Outcome>& outcomes, double load, int way);

}  // namespace shoal::simulation

#endif  // SHOAL_LOADTEST_SIMULATION_COMPARISON_H_
