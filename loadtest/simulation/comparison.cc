#include "loadtest/simulation/comparison.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

namespace shoal::simulation {

std::vector<Outcome> RunAll(const ComparisonOptions& options) {
  std::vector<Outcome> outcomes;
  for (const double load : options.loads) {
    for (const uint64_t seed : options.seeds) {
      for (int way = 0; way < static_cast<int>(options.ways.size()); ++way) {
        const int settings = static_cast<int>(options.ways[way].settings.size());
        for (int setting = 0; setting < settings; ++setting) {
          outcomes.push_back({.load = load, .seed = seed, .way = way, .setting = setting});
        }
      }
    }
  }
  // Long runs first, so that the threads end together.
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < outcomes.size(); i = next++) {
      Outcome& outcome = outcomes[outcomes.size() - 1 - i];
      RunOptions run = options.run;
      run.policy = options.ways[outcome.way].settings[outcome.setting];
      run.workload.clients = outcome.load;
      run.workload.seed = outcome.seed;
      const RunResult result = Simulate(run);
      outcome.summary = Summarize(result.clients);
      outcome.gpu_busy = result.gpu_busy;
      outcome.mean_rows = result.mean_rows;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < options.threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

Verdict Judge(const Summary& first, const std::vector<Summary>& other, int* chosen) {
  const double limit = first.first_audio_p95 * (1 + kEqualShare) + kEqualSeconds;
  int best = -1, fastest = 0;
  for (int i = 0; i < static_cast<int>(other.size()); ++i) {
    if (other[i].first_audio_p95 < other[fastest].first_audio_p95) fastest = i;
    if (other[i].first_audio_p95 > limit) continue;
    if (best < 0 || other[i].underrun < other[best].underrun) best = i;
  }
  const bool reached = best >= 0;
  if (!reached) best = fastest;
  if (chosen != nullptr) *chosen = best;
  const double difference = other[best].underrun - first.underrun;
  const double same =
      std::max(kSameSeconds, kSameShare * std::max(other[best].underrun, first.underrun));
  if (difference > same) return Verdict::kLess;
  if (difference >= -same) return Verdict::kEqual;
  return reached ? Verdict::kMore : Verdict::kSlower;
}

void Tally::Add(const Tally& other) {
  less += other.less;
  equal += other.equal;
  more += other.more;
  slower += other.slower;
  first_underrun += other.first_underrun;
  other_underrun += other.other_underrun;
}

Tally TallyOf(const std::vector<Outcome>& outcomes, double load, int way) {
  std::map<uint64_t, Summary> first;
  std::map<uint64_t, std::vector<Summary>> other;
  for (const Outcome& outcome : outcomes) {
    if (outcome.load != load) continue;
    if (outcome.way == 0) first[outcome.seed] = outcome.summary;
    if (outcome.way == way) other[outcome.seed].push_back(outcome.summary);
  }
  Tally tally;
  for (const auto& [seed, summary] : first) {
    int chosen = 0;
    const Verdict verdict = Judge(summary, other[seed], &chosen);
    tally.less += verdict == Verdict::kLess;
    tally.equal += verdict == Verdict::kEqual;
    tally.more += verdict == Verdict::kMore;
    tally.slower += verdict == Verdict::kSlower;
    tally.first_underrun += summary.underrun;
    tally.other_underrun += other[seed][chosen].underrun;
  }
  return tally;
}

}  // namespace shoal::simulation
