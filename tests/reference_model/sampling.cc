#include "tests/reference_model/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

namespace shoal::reference {
namespace {

using engine::FilterOrder;
using engine::RasParams;
using engine::SamplingParams;

struct Draw {
  uint64_t seed;
  uint32_t turn, frame, codebook, number;  // number: 0 the first draw, 1 the second one of RAS
};

// Philox4x32-10; returns its first word. Key: the seed. Counter: (turn, frame, draw, candidate).
uint32_t RandomWord(const Draw& draw, uint32_t candidate) {
  uint32_t c[4] = {draw.turn, draw.frame, 2 * draw.codebook + draw.number, candidate};
  uint32_t k[2] = {static_cast<uint32_t>(draw.seed), static_cast<uint32_t>(draw.seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * c[2];
    const uint32_t next[4] = {
        static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
        static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
    std::copy(next, next + 4, c);
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c[0];
}

std::vector<double> Softmax(const std::vector<double>& logits, double temperature) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  for (const double logit : logits) p.push_back(std::exp((logit - largest) / temperature));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= sum;
  return p;
}

constexpr double kDropped = -std::numeric_limits<double>::infinity();

// Sets what the filters drop to minus infinity.
std::vector<double> Filter(const std::vector<double>& logits, double top_p, int64_t top_k,
                           FilterOrder order) {
  std::vector<int64_t> rank(logits.size());
  std::iota(rank.begin(), rank.end(), 0);
  std::stable_sort(rank.begin(), rank.end(),
                   [&](int64_t a, int64_t b) { return logits[a] > logits[b]; });
  if (top_k <= 0) top_k = logits.size();

  std::vector<double> sorted;
  for (size_t i = 0; i < rank.size(); ++i) {
    const bool counts = order == FilterOrder::kFullSoftmax || static_cast<int64_t>(i) < top_k;
    sorted.push_back(counts ? logits[rank[i]] : kDropped);
  }
  const std::vector<double> p = Softmax(sorted, 1);
  std::vector<double> kept(logits.size(), kDropped);
  double cumulative = 0;
  for (size_t i = 0; i < rank.size(); ++i) {
    cumulative += p[i];
    const bool outside = static_cast<int64_t>(i) >= top_k || (top_p < 1 && cumulative > top_p);
    if (i == 0 || !outside) kept[rank[i]] = logits[rank[i]];
  }
  return kept;
}

int64_t DrawOne(const std::vector<double>& logits, double temperature, double top_p,
                const SamplingParams& params, const Draw& draw) {
  if (temperature == 0) return DualAr::Greedy(logits);
  const std::vector<double> p = Softmax(Filter(logits, top_p, params.top_k, params.filter_order),
                                        std::max(temperature, 1e-5));
  int64_t best = 0;
  double best_ratio = -1;
  for (size_t i = 0; i < p.size(); ++i) {
    const double u = (RandomWord(draw, i) + 1.0) / 4294967296.0;
    const double ratio = p[i] == 0 ? 0 : p[i] / -std::log(u);
    if (ratio > best_ratio) {
      best_ratio = ratio;
      best = i;
    }
  }
  return best;
}

std::vector<int64_t> LastOf(const std::vector<int64_t>& values, size_t count) {
  return {values.end() - std::min(count, values.size()), values.end()};
}

bool HoldsDuplicate(const std::vector<int64_t>& values) {
  return std::set<int64_t>(values.begin(), values.end()).size() < values.size();
}

int64_t DrawSemantic(std::vector<double> logits, const std::vector<int64_t>& history, bool hot,
                     const SamplingParams& params, Draw draw) {
  const auto recent = LastOf(history, params.penalty_window);
  for (const int64_t code : std::set<int64_t>(recent.begin(), recent.end())) {
    const double penalty = params.repetition_penalty;
    logits[code] = logits[code] > 0 ? logits[code] / penalty : logits[code] * penalty;
  }
  const int64_t first = DrawOne(logits, hot ? params.ras.temperature : params.temperature,
                                hot ? params.ras.top_p : params.top_p, params, draw);
  const bool is_end = first + 1 == static_cast<int64_t>(logits.size());
  if (params.ras.rule != RasParams::Rule::kAuthors || is_end || history.empty()) return first;
  const auto seen = LastOf({history.begin() + 1, history.end()}, params.ras.window);
  if (std::find(seen.begin(), seen.end(), first) == seen.end()) return first;
  draw.number = 1;
  return DrawOne(logits, params.ras.temperature, params.ras.top_p, params, draw);
}

}  // namespace

DualAr::Chooser Sampler(const SamplingParams& params, uint32_t turn) {
  return [params, turn](const std::vector<double>& logits, int64_t frame, int64_t codebook,
                        const std::vector<int64_t>& history) -> int64_t {
    const Draw draw = {.seed = params.seed,
                       .turn = turn,
                       .frame = static_cast<uint32_t>(frame),
                       .codebook = static_cast<uint32_t>(codebook),
                       .number = 0};
    const bool hot = params.ras.rule == RasParams::Rule::kWindow &&
                     HoldsDuplicate(LastOf(history, params.ras.window));
    if (codebook == 0) return DrawSemantic(logits, history, hot, params, draw);
    if (params.residual_greedy) return DualAr::Greedy(logits);
    return DrawOne(logits, hot ? params.ras.temperature : params.temperature,
                   hot ? params.ras.top_p : params.top_p, params, draw);
  };
}

}  // namespace shoal::reference
