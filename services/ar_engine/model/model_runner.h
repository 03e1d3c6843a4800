// ModelRunner: the checkpoint's two transformers as a StepModel.
//
// A step is one batch through the slow decoder, prompt chunks and single frames alike, then a
// semantic draw for every chunk that asks for one, then the fast decoder over all frames that go
// on. Owned by the model thread, which alone calls Step(). Nothing of a sequence outlives a step
// except its KV, and a step of a size that was run before allocates nothing but its result. No
// exception leaves.
#ifndef SHOAL_SERVICES_AR_ENGINE_MODEL_MODEL_RUNNER_H_
#define SHOAL_SERVICES_AR_ENGINE_MODEL_MODEL_RUNNER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/checkpoint.h"
#include "common/model/buffer.h"
#include "common/model/linear.h"
#include "services/ar_engine/model/fast_ar.h"
#include "services/ar_engine/model/kv_cache.h"
#include "services/ar_engine/model/slow_ar.h"
#include "services/ar_engine/model/step_rows.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {

class ModelRunner final : public StepModel {
 public:
  struct Options {
    int num_blocks = 0;  // KV blocks of kBlockPositions positions
    model::ProductMode mode = model::ProductMode::kFast;
  };

  static absl::StatusOr<std::unique_ptr<ModelRunner>> Load(const checkpoint::Checkpoint& checkpoint,
                                                           const Options& options);

  absl::StatusOr<std::vector<DrawnFrame>> Step(absl::Span<const SequenceChunk> chunks) override;

  int num_blocks() const override { return static_cast<int>(cache_.num_blocks()); }
  int num_codebooks() const override { return static_cast<int>(config_.num_codebooks); }
  int max_seq_len() const override { return static_cast<int>(config_.text.max_seq_len); }

  // Bytes of the KV of one block, over all layers.
  static int64_t BlockBytes(const checkpoint::ModelConfig& config);

 private:
  // A frame whose semantic code is drawn and whose residual codes are not yet.
  struct OpenFrame {
    size_t chunk;
    int64_t row;  // of the drawing rows
    bool hot;
  };

  ModelRunner(const checkpoint::ModelConfig& config, SlowAr slow, FastAr fast, int64_t num_blocks);
  // The step that rows_ holds; exceptions pass.
  std::vector<DrawnFrame> Run(absl::Span<const SequenceChunk> chunks);
  // hidden: (draws, dim) of the drawing rows. Fills open_.
  void DrawSemanticCodes(absl::Span<const SequenceChunk> chunks, const float* hidden,
                         std::vector<DrawnFrame>& drawn);
  // Of the frames in open_.
  void DrawResidualCodes(absl::Span<const SequenceChunk> chunks, const float* hidden,
                         std::vector<DrawnFrame>& drawn);
  // The rows of `hidden` that open_ names: (open frames, dim).
  const float* OpenRows(const float* hidden);

  const checkpoint::ModelConfig config_;
  const SlowAr slow_;
  const FastAr fast_;
  KvCache cache_;
  FastFrames frames_;

  // Of the step at hand; their memory is kept for the next.
  StepRows rows_;
  Activations activations_;
  model::Buffer logits_, inputs_;
  std::vector<OpenFrame> open_;
  std::vector<int32_t> codes_;  // of the codebook drawn last, one an open frame
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_MODEL_MODEL_RUNNER_H_
