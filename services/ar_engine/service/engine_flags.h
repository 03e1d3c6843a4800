// The flags of shoal-ar-engine and what they mean. Used by main alone.
#ifndef SHOAL_SERVICES_AR_ENGINE_SERVICE_ENGINE_FLAGS_H_
#define SHOAL_SERVICES_AR_ENGINE_SERVICE_ENGINE_FLAGS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "common/checkpoint/model_config.h"
#include "common/service/flag_set.h"
#include "common/service/service_options.h"
#include "common/transport/channel.h"
#include "services/ar_engine/service/engine_service.h"

namespace shoal::engine {

struct EngineFlags {
  std::string checkpoint;
  transport::Channel::Options channel{.bind = "tcp://127.0.0.1:9001"};
  int threads = 1;
  bool deterministic = true;
  int kv_blocks = 0;  // 0: kv_memory_mb decides
  int kv_memory_mb = 1024;
  int max_batch = 16;
  int max_waiting = 64;
  int max_streams = 0;  // 0: max_batch
  int prefill_tokens = 256;
  std::string scheduling = "deadline";
  bool prefix_cache = true;
  bool round_logits_to_bf16 = false;
  TestGate::Options test_gate;
  service::ServiceOptions service;
};

void AddEngineFlags(service::FlagSet& set, EngineFlags* flags);

// INVALID_ARGUMENT names the flag.
absl::Status CheckEngineFlags(const EngineFlags& flags);

// KV blocks for these flags: never more than max_batch sequences of full length can fill, and with
// the prefix cache as many again.
int KvBlocksFor(const EngineFlags& flags, int64_t block_bytes, int64_t max_seq_len);

// All that follows from the flags and the model's sizes; the fingerprint is the caller's.
EngineService::Options ServiceOptionsFor(const EngineFlags& flags,
                                         const checkpoint::ModelConfig& model);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_SERVICE_ENGINE_FLAGS_H_
