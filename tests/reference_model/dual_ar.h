// The Dual-AR transformer, computed from the first position anew for every frame: no cache, no
// batch, no state. Follows the model's description section by section.

#ifndef SHOAL_TESTS_REFERENCE_MODEL_DUAL_AR_H_
#define SHOAL_TESTS_REFERENCE_MODEL_DUAL_AR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/checkpoint/model_config.h"
#include "tests/reference_model/array.h"
#include "tests/reference_model/transformer.h"

namespace shoal::reference {

// Token ids and, at each position, all codebooks: codes[position][codebook].
struct Prompt {
  std::vector<int64_t> token_ids;
  std::vector<std::vector<int64_t>> codes;
};

class DualAr {
 public:
  // Chooses from the logits of one codebook of one frame. For codebook 0 they stand over the
  // semantic codes and then the end token; for the others over the decoder's entries. `history`
  // holds the semantic codes of this turn so far.
  using Chooser = std::function<int64_t(const std::vector<double>& logits, int64_t frame,
                                        int64_t codebook, const std::vector<int64_t>& history)>;

  explicit DualAr(const std::string& checkpoint_directory);

  const checkpoint::ModelConfig& config() const { return config_; }

  // (positions, dim) each: the embedding, then the output of every layer.
  std::vector<Array> Layers(const Prompt& prompt) const;

  // (positions, dim), after the final norm.
  Array Hidden(const Prompt& prompt) const;

  // Logits over the semantic codes and then the end token, for one hidden state (dim).
  std::vector<double> SemanticLogits(const double* hidden) const;

  // Logits of codebook `codes.size()`, given the hidden state and the frame's codes before it.
  std::vector<double> ResidualLogits(const double* hidden, const std::vector<int64_t>& codes) const;

  // Frames of codes [frame][codebook] until the end token (whose frame is dropped) or max_frames.
  std::vector<std::vector<int64_t>> Generate(Prompt prompt, int64_t max_frames,
                                             const Chooser& choose) const;

  // Takes the largest logit, the lowest index on a tie.
  static int64_t Greedy(const std::vector<double>& logits);

 private:
  Array Embed(const Prompt& prompt) const;

  checkpoint::ModelConfig config_;
  Array text_embedding_, code_embedding_, norm_, head_;
  std::vector<Block> layers_;
  Array fast_embedding_, fast_norm_, fast_head_, project_in_, project_in_bias_;
  std::vector<Block> fast_layers_;
};

}  // namespace shoal::reference

#endif  // SHOAL_TESTS_REFERENCE_MODEL_DUAL_AR_H_
