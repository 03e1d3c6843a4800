#include "services/ar_engine/service/engine_flags.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/transport/channel_flags.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {

void AddEngineFlags(service::FlagSet& set, EngineFlags* flags) {
  set.Add("checkpoint", &flags->checkpoint, "folder of the model");
  transport::AddChannelFlags(set, &flags->channel);
  set.Add("threads", &flags->threads, "threads that compute");
  set.Add("deterministic", &flags->deterministic,
          "a request's codes do not depend on what runs beside it");
  set.Add("kv-blocks", &flags->kv_blocks,
          absl::StrCat("KV blocks of ", FrameModel::kBlockPositions,
                       " positions; 0 = as --kv-memory-mb allows"));
  set.Add("kv-memory-mb", &flags->kv_memory_mb, "MiB for KV, unless --kv-blocks is given");
  set.Add("max-batch", &flags->max_batch, "requests in one step");
  set.Add("max-streams", &flags->max_streams,
          "requests under way at once, those not counted whose clients do not read; 0 = as "
          "--max-batch");
  set.Add("max-waiting", &flags->max_waiting, "requests that may wait beyond those");
  set.Add("prefill-tokens", &flags->prefill_tokens, "prompt positions in one step");
  set.AddChoice("scheduling", &flags->scheduling, {"deadline", "first-come"},
                "who comes first: the listener with the least audio left, or who came first");
  set.Add("prefix-cache", &flags->prefix_cache,
          "keep the KV of prompts and turns for later ones that begin alike");
  set.Add("round-logits-to-bf16", &flags->round_logits_to_bf16,
          "before a code is drawn, as computing in bf16 would");
  set.Add("test-gate-frame", &flags->test_gate.frame,
          "for tests: draw this frame only once --test-gate-file exists; negative = off");
  set.Add("test-gate-file", &flags->test_gate.file, "for tests, see --test-gate-frame");
  service::AddServiceFlags(set, &flags->service);
}

absl::Status CheckEngineFlags(const EngineFlags& flags) {
  if (flags.checkpoint.empty()) {
    return absl::InvalidArgumentError("--checkpoint: expected the folder of a model");
  }
  if (absl::Status status = transport::CheckChannelFlags(flags.channel); !status.ok()) {
    return status;
  }
  struct AtLeast {
    const char* flag;
    int value, lowest;
  };
  for (const auto& [flag, value, lowest] :
       {AtLeast{"threads", flags.threads, 1}, AtLeast{"kv-blocks", flags.kv_blocks, 0},
        AtLeast{"kv-memory-mb", flags.kv_memory_mb, 1}, AtLeast{"max-batch", flags.max_batch, 1},
        AtLeast{"max-streams", flags.max_streams, 0}, AtLeast{"max-waiting", flags.max_waiting, 0},
        AtLeast{"prefill-tokens", flags.prefill_tokens, 1}}) {
    if (value < lowest) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag, ": ", value, "; expected at least ", lowest));
    }
  }
  if (flags.test_gate.frame >= 0 && flags.test_gate.file.empty()) {
    return absl::InvalidArgumentError("--test-gate-file: expected with --test-gate-frame");
  }
  return absl::OkStatus();
}

int KvBlocksFor(const EngineFlags& flags, int64_t block_bytes, int64_t max_seq_len) {
  if (flags.kv_blocks > 0) return flags.kv_blocks;
  const int64_t fit = (int64_t{flags.kv_memory_mb} << 20) / block_bytes;
  const int64_t longest =
      (max_seq_len + FrameModel::kBlockPositions - 1) / FrameModel::kBlockPositions;
  const int64_t streams = std::max(flags.max_batch, flags.max_streams);
  const int64_t useful = longest * streams * (flags.prefix_cache ? 2 : 1);
  const int64_t most = std::numeric_limits<int32_t>::max();
  return static_cast<int>(std::clamp<int64_t>(std::min(fit, useful), 1, most));
}

EngineService::Options ServiceOptionsFor(const EngineFlags& flags,
                                         const checkpoint::ModelConfig& model) {
  EngineService::Options options;
  options.channel = flags.channel;
  pipeline::v1::Hello& self = options.channel.self;
  self.mutable_limits()->set_num_codebooks(static_cast<uint32_t>(model.num_codebooks));
  self.mutable_limits()->set_max_seq_len(static_cast<uint32_t>(model.text.max_seq_len));
  self.mutable_numeric()->set_dtype("float32");
  self.mutable_numeric()->set_deterministic(flags.deterministic);
  options.scheduler.policy =
      flags.scheduling == "first-come" ? Policy::kFirstCome : Policy::kDeadline;
  options.scheduler.max_running = flags.max_batch;
  options.scheduler.max_streams = flags.max_streams;
  options.scheduler.max_waiting = flags.max_waiting;
  options.scheduler.prefill_tokens = flags.prefill_tokens;
  options.prefix_cache = flags.prefix_cache;
  options.sizes = {.num_codebooks = static_cast<int>(model.num_codebooks),
                   .vocab_size = static_cast<int32_t>(model.text.vocab_size),
                   .codebook_entries = static_cast<int32_t>(model.audio.vocab_size),
                   .semantic_start = static_cast<int32_t>(model.semantic_start),
                   .n_semantic = static_cast<int32_t>(model.n_semantic())};
  options.round_logits_to_bf16 = flags.round_logits_to_bf16;
  options.test_gate = flags.test_gate;
  return options;
}

}  // namespace shoal::engine
