// Drawing one code from a row of logits: repetition-aware sampling (RAS), repetition penalty,
// top-k and top-p in either order, temperature, one draw.
//
// Pure functions of their arguments: any thread, no state. A draw depends on the logits, the
// history, the parameters and the key alone: not on the batch, the order of candidates or which
// filter ran first (see philox.h for the numbers, DrawFrom in sampler.cc for the rule).
//
// Logits of the semantic codebook are those of semantic_start..semantic_end followed by eos, so a
// row has n + 1 of them and index n is eos. Ties go to the lowest index everywhere. A row with a
// value that is not finite has no draw: the index returned is negative.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_SAMPLER_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_SAMPLER_H_

#include <cstdint>

#include "absl/types/span.h"

namespace shoal::engine {

// Both published rules against a semantic code that repeats itself.
struct RasParams {
  enum class Rule {
    kOff,
    // Draw normally; a semantic code that stands among the last `window` of the turn (which never
    // count the turn's first frame) is replaced by a second draw at the hot setting.
    kAuthors,
    // If the last `window` codes (at least 2 of them) hold any code twice, the whole frame is drawn
    // at the hot setting, residual codebooks included.
    kWindow,
  };
  Rule rule = Rule::kOff;
  int window = 0;
  float temperature = 1.0f, top_p = 0.9f;  // the hot setting
};

enum class FilterOrder {
  kTopKFirst,    // top-p on the softmax of what top-k left (SGLang port)
  kFullSoftmax,  // top-p on the softmax of all candidates, both by rank (the authors)
};

struct SamplingParams {
  float temperature = 0.8f;         // 0 = greedy
  float top_p = 0.8f;               // >= 1 = off
  int top_k = 30;                   // 0 = off
  float repetition_penalty = 1.0f;  // 1 = off
  int penalty_window = 16;          // semantic codes that it looks back
  uint64_t seed = 0;
  bool residual_greedy = false;
  RasParams ras;
  FilterOrder filter_order = FilterOrder::kTopKFirst;
  bool round_logits_to_bf16 = false;  // of every codebook, before anything else
};

// Names one draw of one frame; two draws with the same key and parameters agree.
struct DrawKey {
  uint64_t seed = 0;
  uint32_t turn = 0, frame = 0;
  uint32_t codebook = 0;  // 0 = semantic
};

struct SemanticDraw {
  int32_t index = -1;  // into the logits; their size - 1 is eos; negative: logits not finite
  bool hot = false;    // residual codebooks use the hot setting (kWindow rule)
};

// `history`: the semantic codes of all frames of this turn so far, oldest first.
SemanticDraw DrawSemantic(absl::Span<const float> logits, absl::Span<const int32_t> history,
                          const SamplingParams& params, const DrawKey& key);

// A residual codebook: no RAS of its own, no penalty. Greedy if params.residual_greedy or the
// temperature in force is 0. `hot` comes from the frame's DrawSemantic.
int32_t DrawResidual(absl::Span<const float> logits, bool hot, const SamplingParams& params,
                     const DrawKey& key);

// The distribution that DrawSemantic draws from when RAS is off: penalty, filters, temperature.
// `probabilities` has the size of `logits`; what a filter dropped is exactly 0. All zero when the
// logits are not finite.
void FilteredProbabilities(absl::Span<const float> logits, absl::Span<const int32_t> history,
                           const SamplingParams& params, absl::Span<float> probabilities);

// The decisions of the two RAS rules, see RasParams. `index` must be a semantic code, not eos.
bool RepeatsByAuthorsRule(int32_t index, absl::Span<const int32_t> history, int window);
bool RepeatsByWindowRule(absl::Span<const int32_t> history, int window);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_SAMPLER_H_
