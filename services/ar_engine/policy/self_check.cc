#include "services/ar_engine/policy/self_check.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace shoal::engine {
namespace {

constexpr int kMostPositions = 8;

absl::Status Unusable(absl::string_view why) {
  return absl::InternalError(absl::StrCat("the model cannot draw a frame: ", why));
}

}  // namespace

absl::Status CheckModel(StepModel& model) {
  if (model.num_blocks() < 1) return Unusable("there are no KV blocks");
  const int positions = std::min(kMostPositions, model.max_seq_len());
  const std::vector<int32_t> token_ids(positions), block_table = {0};
  const std::vector<int32_t> codes(static_cast<size_t>(positions) * model.num_codebooks());
  const SamplingParams sampling;
  SequenceChunk chunk;
  chunk.token_ids = token_ids;
  chunk.codes = codes;
  chunk.block_table = block_table;
  chunk.sampling = &sampling;
  const absl::StatusOr<std::vector<DrawnFrame>> drawn = model.Step({chunk});
  if (!drawn.ok()) return Unusable(drawn.status().message());
  if (drawn->size() != 1) return Unusable(absl::StrCat("it returned ", drawn->size(), " results"));
  const DrawnFrame& frame = drawn->front();
  if (!frame.status.ok()) return Unusable(frame.status.message());
  if (!frame.drawn) return Unusable("it drew none");
  if (!frame.end && static_cast<int>(frame.codes.size()) != model.num_codebooks()) {
    return Unusable(
        absl::StrCat("it drew ", frame.codes.size(), " codes instead of ", model.num_codebooks()));
  }
  return absl::OkStatus();
}

}  // namespace shoal::engine
