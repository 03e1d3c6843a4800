// What a step costs on the GPU, by arithmetic: the time to read weights and KV plus the time to
// multiply, nothing overlapped, nothing else counted (no launches, no sampling). Every number is
// one of the model's sizes or has its source beside it.
//
// Values; any thread.
#ifndef SHOAL_LOADTEST_SIMULATION_STEP_COST_H_
#define SHOAL_LOADTEST_SIMULATION_STEP_COST_H_

#include <cstdint>

#include "absl/types/span.h"

namespace shoal::simulation {

struct TransformerSizes {
  int layers, dim, heads, kv_heads, head_dim, intermediate;

  double layer_parameters() const;
  double parameters() const { return layers * layer_parameters(); }  // without embeddings
};

// Fish Audio S2 Pro, as its config.json and its codec say.
struct ModelSizes {
  TransformerSizes slow{36, 2560, 32, 8, 128, 9728};
  TransformerSizes fast{4, 2560, 32, 8, 128, 9728};
  int num_codebooks = 10;
  int codebook_entries = 4096;  // rows of the fast head
  int head_rows = 4097;         // of the slow head: semantic tokens and <|im_end|>
  int weight_bytes = 2;         // bf16
  int frame_samples = 2048;
  int sample_rate = 44100;

  double frame_seconds() const { return static_cast<double>(frame_samples) / sample_rate; }
  double kv_bytes_a_position() const;
  double slow_weight_bytes() const;  // read once by any step
  double fast_weight_bytes() const;  // all passes of a frame; read once by a step that draws
  double flops_a_position() const;   // slow transformer
  double flops_a_draw() const;       // both heads and the fast transformer
};

struct GpuSpeed {
  // One H200: what a large copy and a large bf16 product reach.
  double bytes_per_second = 4.3e12;
  double peak_flops = 790e12;
  // Share of the peak that products reach in a whole step (an assumption; FlashAttention and
  // skinny products on Hopper reach about this).
  double product_efficiency = 0.5;
  // The codec's decoder has 146 GFLOP of convolutions a second of audio (23 + 46 + 46 + 23 in its
  // four blocks, the rest in the first convolution and the transformer).
  double vocoder_flops_a_second_of_audio = 146e9;
  // Everything takes this many times as long: 1 = the arithmetic.
  double slowdown = 1.0;

  double flops_per_second() const { return peak_flops * product_efficiency; }
};

// A sequence's part of a step.
struct RowCost {
  int start = 0;      // KV length before it
  int positions = 1;  // appended
  bool draws = false;
};

class StepCost {
 public:
  StepCost() = default;
  StepCost(const ModelSizes& model, const GpuSpeed& gpu) : model_(model), gpu_(gpu) {}

  // One batch through both transformers.
  double StepSeconds(absl::Span<const RowCost> rows) const;
  // Codes to samples on the same GPU. The decoder's weights (under 1 GB) are not counted.
  double VocoderSeconds(int64_t frames) const;

  // Time a second of audio when `batch` streams draw at `context` cached positions each and the
  // vocoder decodes what they draw.
  double RealTimeFactor(int batch, int context) const;

  const ModelSizes& model() const { return model_; }
  const GpuSpeed& gpu() const { return gpu_; }

 private:
  double AttentionSeconds(const RowCost& row) const;

  ModelSizes model_;
  GpuSpeed gpu_;
};

}  // namespace shoal::simulation

#endif  // SHOAL_LOADTEST_SIMULATION_STEP_COST_H_
