#include "loadtest/simulation/step_cost.h"

#include <algorithm>
#include <vector>

namespace shoal::simulation {

double TransformerSizes::layer_parameters() const {
  const double qkv = static_cast<double>(dim) * (heads + 2 * kv_heads) * head_dim;
  const double output = static_cast<double>(heads) * head_dim * dim;
  const double feed_forward = 3.0 * dim * intermediate;
  return qkv + output + feed_forward;
}

double ModelSizes::kv_bytes_a_position() const {
  return 2.0 * slow.layers * slow.kv_heads * slow.head_dim * weight_bytes;
}

double ModelSizes::slow_weight_bytes() const { return weight_bytes * slow.parameters(); }

double ModelSizes::fast_weight_bytes() const {
  // Positions 0 and 1 run as one pass, so there is one pass less than codebooks.
  const double passes = num_codebooks - 1;
  const double fast_head = static_cast<double>(codebook_entries) * fast.dim;
  const double slow_head = static_cast<double>(head_rows) * slow.dim;
  return weight_bytes * (passes * (fast.parameters() + fast_head) + slow_head);
}

double ModelSizes::flops_a_position() const { return 2.0 * slow.parameters(); }

double ModelSizes::flops_a_draw() const {
  const double fast_head = static_cast<double>(codebook_entries) * fast.dim;
  const double slow_head = static_cast<double>(head_rows) * slow.dim;
  return 2.0 * (num_codebooks * fast.parameters() + (num_codebooks - 1) * fast_head + slow_head);
}

double StepCost::AttentionSeconds(const RowCost& row) const {
  // A single position is bound by reading its KV, a long piece of a prompt by the products of
  // scores and values.
  const double mean_context = row.start + 0.5 * (row.positions + 1);
  const double flops = 4.0 * model_.slow.layers * model_.slow.heads * model_.slow.head_dim *
                       mean_context * row.positions;
  const double bytes = model_.kv_bytes_a_position() * (row.start + row.positions);
  return std::max(flops / gpu_.flops_per_second(), bytes / gpu_.bytes_per_second);
}

double StepCost::StepSeconds(absl::Span<const RowCost> rows) const {
  if (rows.empty()) return 0;
  int64_t positions = 0, draws = 0;
  double attention = 0;
  for (const RowCost& row : rows) {
    positions += row.positions;
    draws += row.draws ? 1 : 0;
    attention += AttentionSeconds(row);
  }
  const double bytes = model_.slow_weight_bytes() + (draws > 0 ? model_.fast_weight_bytes() : 0.0);
  const double flops = static_cast<double>(positions) * model_.flops_a_position() +
                       static_cast<double>(draws) * model_.flops_a_draw();
  return gpu_.slowdown *
         (bytes / gpu_.bytes_per_second + flops / gpu_.flops_per_second() + attention);
}

double StepCost::VocoderSeconds(int64_t frames) const {
  const double flops =
      static_cast<double>(frames) * model_.frame_seconds() * gpu_.vocoder_flops_a_second_of_audio;
  return gpu_.slowdown * flops / gpu_.flops_per_second();
}

double StepCost::RealTimeFactor(int batch, int context) const {
  const std::vector<RowCost> rows(batch, RowCost{.start = context, .positions = 1, .draws = true});
  return (StepSeconds(rows) + VocoderSeconds(batch)) / model_.frame_seconds();
}

}  // namespace shoal::simulation
