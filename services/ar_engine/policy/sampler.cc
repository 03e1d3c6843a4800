#include "services/ar_engine/policy/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "services/ar_engine/policy/philox.h"

namespace shoal::engine {
namespace {

constexpr float kLowestTemperature = 1e-5f;  // the model's own bound, below it draws are greedy

constexpr size_t kFewCandidates = 64;  // as many are sorted faster than put into buckets

struct Candidate {
  float logit;
  int32_t index;
};

// The order of ranks: higher logits first, among equals the lowest index.
bool Before(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.index < b.index);
}

// One temperature and its filters: the request's own, or RAS's hot setting.
struct Setting {
  float temperature, top_p;
  int top_k;
  FilterOrder order;
};

Setting NormalSetting(const SamplingParams& params) {
  return {params.temperature, params.top_p, params.top_k, params.filter_order};
}

Setting HotSetting(const SamplingParams& params) {
  return {params.ras.temperature, params.ras.top_p, params.top_k, params.filter_order};
}

float RoundToBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  bits += 0x7fff + ((bits >> 16) & 1);  // to nearest, ties to even
  return std::bit_cast<float>(bits & 0xffff0000u);
}

// A copy of the row as the filters shall see it. Empty when a logit is not finite.
std::vector<float> PrepareLogits(absl::Span<const float> logits, bool round_to_bf16) {
  constexpr uint32_t kExponent = 0x7f800000;  // all ones in infinities and NaNs alone
  uint32_t not_finite = 0;
  for (const float logit : logits) {
    not_finite |= (std::bit_cast<uint32_t>(logit) & kExponent) == kExponent;
  }
  if (not_finite != 0) return {};
  std::vector<float> row(logits.begin(), logits.end());
  if (round_to_bf16) std::transform(row.begin(), row.end(), row.begin(), RoundToBf16);
  return row;
}

template <typename T>
absl::Span<const T> Last(absl::Span<const T> values, int count) {
  const size_t kept = std::min(values.size(), static_cast<size_t>(std::max(count, 0)));
  return values.subspan(values.size() - kept);
}

// Every code in the window is penalised once, however often it stands there.
void Penalise(absl::Span<const int32_t> history, const SamplingParams& params,
              std::vector<float>& row) {
  if (params.repetition_penalty == 1.0f) return;
  std::vector<int32_t> seen;
  for (const int32_t code : Last(history, params.penalty_window)) {
    if (code < 0 || static_cast<size_t>(code) >= row.size()) continue;
    if (std::find(seen.begin(), seen.end(), code) != seen.end()) continue;
    seen.push_back(code);
    float& logit = row[code];
    logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
  }
}

int32_t ArgMax(absl::Span<const float> row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

std::vector<Candidate> AllOf(absl::Span<const float> row) {
  std::vector<Candidate> all(row.size());
  for (size_t i = 0; i < row.size(); ++i) all[i] = {row[i], static_cast<int32_t>(i)};
  return all;
}

// The best `count` of a row, in no order. A few are found in one pass against the worst of the best
// so far, which most candidates lose to.
std::vector<Candidate> BestOf(absl::Span<const float> row, size_t count) {
  if (count > row.size() / 8) {
    std::vector<Candidate> all = AllOf(row);
    std::nth_element(all.begin(), all.begin() + count, all.end(), Before);
    all.resize(count);
    return all;
  }
  std::vector<Candidate> best;  // a heap, the worst in front
  best.reserve(count);
  size_t i = 0;
  for (; i < count; ++i) best.push_back({row[i], static_cast<int32_t>(i)});
  std::make_heap(best.begin(), best.end(), Before);
  for (; i < row.size(); ++i) {
    if (row[i] <= best.front().logit) continue;  // an equal one comes later and loses
    std::pop_heap(best.begin(), best.end(), Before);
    best.back() = {row[i], static_cast<int32_t>(i)};
    std::push_heap(best.begin(), best.end(), Before);
  }
  return best;
}

float HighestLogit(absl::Span<const Candidate> candidates) {
  float highest = -std::numeric_limits<float>::infinity();
  for (const Candidate& candidate : candidates) highest = std::max(highest, candidate.logit);
  return highest;
}

double SoftmaxSum(absl::Span<const float> row, float highest) {
  double sum = 0;
  for (const float logit : row) sum += std::exp(logit - highest);
  return sum;
}

// What the nucleus of a few candidates is: sorts them all.
void KeepNucleusOfFew(float top_p, double sum, std::vector<Candidate>& candidates) {
  std::sort(candidates.begin(), candidates.end(), Before);
  const float highest = candidates.front().logit;
  double weights[kFewCandidates];
  double total = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    total += weights[i] = std::exp(candidates[i].logit - highest);
  }
  if (sum < 0) sum = total;
  double cumulative = weights[0];
  size_t kept = 1;
  while (kept < candidates.size() && (cumulative += weights[kept]) / sum <= top_p) ++kept;
  candidates.resize(kept);
}

// Keeps, in the order of ranks, the candidates whose cumulative probability, their own included,
// stays within top_p, and always the best. The softmax's denominator is `sum`, relative to the
// highest logit; negative: that of the candidates. Only the few candidates around the edge are
// sorted: the rest fall into buckets of logits that lie inside or outside as a whole.
void KeepNucleus(float top_p, double sum, std::vector<Candidate>& candidates) {
  if (candidates.size() <= kFewCandidates) return KeepNucleusOfFew(top_p, sum, candidates);
  constexpr int kBuckets = 1024;
  constexpr float kDepth = 30;  // exp(-30) is below what float32 sums can see
  const float highest = HighestLogit(candidates);
  float lowest = highest;
  for (const Candidate& candidate : candidates) lowest = std::min(lowest, candidate.logit);
  const float scale = (kBuckets - 1) / std::clamp(highest - lowest, 1e-6f, kDepth);
  auto bucket_of = [&](const Candidate& candidate) {
    return static_cast<int>(std::min<float>((highest - candidate.logit) * scale, kBuckets - 1));
  };
  std::vector<double> mass(kBuckets);
  double total = 0;
  for (const Candidate& candidate : candidates) {
    const double weight = std::exp(candidate.logit - highest);
    mass[bucket_of(candidate)] += weight;
    total += weight;
  }
  if (sum < 0) sum = total;

  double cumulative = 0;
  int edge = 0;
  while (edge < kBuckets && (cumulative + mass[edge]) / sum <= top_p) cumulative += mass[edge++];
  const auto inside = std::partition(candidates.begin(), candidates.end(),
                                     [&](const Candidate& c) { return bucket_of(c) < edge; });
  const auto outside = std::partition(inside, candidates.end(),
                                      [&](const Candidate& c) { return bucket_of(c) == edge; });
  std::sort(inside, outside, Before);
  auto end = inside;
  for (; end != outside; ++end) {
    cumulative += std::exp(end->logit - highest);
    if (cumulative / sum > top_p && end != candidates.begin()) break;
  }
  candidates.erase(end, candidates.end());
}

// What top-k and top-p leave of a row, in no order.
std::vector<Candidate> Survivors(absl::Span<const float> row, const Setting& setting) {
  const bool top_k_on = setting.top_k > 0 && static_cast<size_t>(setting.top_k) < row.size();
  std::vector<Candidate> candidates = top_k_on ? BestOf(row, setting.top_k) : AllOf(row);
  if (setting.top_p >= 1.0f) return candidates;
  const bool sum_of_all = top_k_on && setting.order == FilterOrder::kFullSoftmax;
  KeepNucleus(setting.top_p, sum_of_all ? SoftmaxSum(row, HighestLogit(candidates)) : -1,
              candidates);
  return candidates;
}

// The softmax's numerator at this temperature; 1 for the highest logit.
double Weight(float logit, float highest, float temperature) {
  return std::exp((static_cast<double>(logit) - highest) /
                  std::max(temperature, kLowestTemperature));
}

// The draw. Every candidate i has a number e_i ~ Exp(1) of its own, and the highest
// weight_i / e_i wins, which happens with probability weight_i / sum of weights (the exponential
// race). e_i = -log(u_i), u_i = (first word of Philox4x32-10 + 1) / 2^32, with
//   key = seed, counter = (turn, frame, 2 * codebook + draw number, i),
// so e_i depends on nothing but the key and the candidate's index in the row.
int32_t DrawFrom(absl::Span<const Candidate> candidates, float temperature, const DrawKey& key,
                 uint32_t draw_number) {
  const PhiloxKey philox_key = PhiloxKeyOf(key.seed);
  const uint32_t draw = 2 * key.codebook + draw_number;
  const float highest = HighestLogit(candidates);
  double best_ratio = -1;
  int32_t best = -1;
  for (const Candidate& candidate : candidates) {
    const double weight = Weight(candidate.logit, highest, temperature);
    if (weight == 0) continue;
    const double u = UnitInterval(Philox4x32(
        {key.turn, key.frame, draw, static_cast<uint32_t>(candidate.index)}, philox_key)[0]);
    // -log(u) >= 1 - u: most candidates lose without a logarithm. The factor covers rounding.
    if (weight < best_ratio * (1.0 - u) * (1.0 - 1e-12)) continue;
    const double ratio = weight / -std::log(u);  // u = 1 makes it infinite and wins
    if (ratio > best_ratio || (ratio == best_ratio && candidate.index < best)) {
      best_ratio = ratio;
      best = candidate.index;
    }
  }
  return best;
}

int32_t DrawAt(absl::Span<const float> row, const Setting& setting, const DrawKey& key,
               uint32_t draw_number) {
  if (setting.temperature == 0.0f) return ArgMax(row);
  return DrawFrom(Survivors(row, setting), setting.temperature, key, draw_number);
}

}  // namespace

bool RepeatsByAuthorsRule(int32_t index, absl::Span<const int32_t> history, int window) {
  if (history.empty()) return false;
  const absl::Span<const int32_t> seen = Last(history.subspan(1), window);
  return std::find(seen.begin(), seen.end(), index) != seen.end();
}

bool RepeatsByWindowRule(absl::Span<const int32_t> history, int window) {
  const absl::Span<const int32_t> seen = Last(history, window);
  for (size_t i = 0; i < seen.size(); ++i) {
    if (std::find(seen.begin(), seen.begin() + i, seen[i]) != seen.begin() + i) return true;
  }
  return false;
}

SemanticDraw DrawSemantic(absl::Span<const float> logits, absl::Span<const int32_t> history,
                          const SamplingParams& params, const DrawKey& key) {
  std::vector<float> row = PrepareLogits(logits, params.round_logits_to_bf16);
  if (row.empty()) return {};
  Penalise(history, params, row);
  SemanticDraw draw;
  draw.hot = params.ras.rule == RasParams::Rule::kWindow &&
             RepeatsByWindowRule(history, params.ras.window);
  draw.index = DrawAt(row, draw.hot ? HotSetting(params) : NormalSetting(params), key, 0);
  const bool is_eos = draw.index == static_cast<int32_t>(row.size()) - 1;
  if (params.ras.rule == RasParams::Rule::kAuthors && !is_eos &&
      RepeatsByAuthorsRule(draw.index, history, params.ras.window)) {
    draw.index = DrawAt(row, HotSetting(params), key, 1);
  }
  return draw;
}

int32_t DrawResidual(absl::Span<const float> logits, bool hot, const SamplingParams& params,
                     const DrawKey& key) {
  const std::vector<float> row = PrepareLogits(logits, params.round_logits_to_bf16);
  if (row.empty()) return -1;
  if (params.residual_greedy) return ArgMax(row);
  return DrawAt(row, hot ? HotSetting(params) : NormalSetting(params), key, 0);
}

void FilteredProbabilities(absl::Span<const float> logits, absl::Span<const int32_t> history,
                           const SamplingParams& params, absl::Span<float> probabilities) {
  std::fill(probabilities.begin(), probabilities.end(), 0.0f);
  std::vector<float> row = PrepareLogits(logits, params.round_logits_to_bf16);
  if (row.empty()) return;
  Penalise(history, params, row);
  if (params.temperature == 0.0f) {
    probabilities[ArgMax(row)] = 1.0f;
    return;
  }
  const std::vector<Candidate> candidates = Survivors(row, NormalSetting(params));
  const float highest = HighestLogit(candidates);
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += Weight(candidate.logit, highest, params.temperature);
  }
  for (const Candidate& candidate : candidates) {
    probabilities[candidate.index] =
        static_cast<float>(Weight(candidate.logit, highest, params.temperature) / sum);
  }
}

}  // namespace shoal::engine
