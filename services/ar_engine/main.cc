// shoal-ar-engine: draws audio codes. Flags in, model loaded and tried, on the network, wait for a
// signal, drain, out.

#include <ATen/Parallel.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/checkpoint/checkpoint.h"
#include "common/service/admin_server.h"
#include "common/service/flag_set.h"
#include "common/service/log.h"
#include "common/service/metrics.h"
#include "common/service/openmp_waiting.h"
#include "common/service/shutdown.h"
#include "common/transport/channel_metrics.h"
#include "services/ar_engine/model/model_runner.h"
#include "services/ar_engine/policy/model_executor.h"
#include "services/ar_engine/policy/self_check.h"
#include "services/ar_engine/service/engine_flags.h"
#include "services/ar_engine/service/engine_service.h"

namespace shoal::engine {
namespace {

struct LoadedModel {
  std::unique_ptr<ModelRunner> runner;
  EngineService::Options options;
};

absl::StatusOr<LoadedModel> Load(const EngineFlags& flags) {
  const absl::StatusOr<checkpoint::Checkpoint> checkpoint =
      checkpoint::Checkpoint::Open(flags.checkpoint, {.transformer = true, .codec = false});
  if (!checkpoint.ok()) return checkpoint.status();
  const checkpoint::ModelConfig& config = checkpoint->model_config();
  const absl::StatusOr<checkpoint::Fingerprint> fingerprint = checkpoint->fingerprint();
  if (!fingerprint.ok()) return fingerprint.status();
  absl::StatusOr<std::unique_ptr<ModelRunner>> runner = ModelRunner::Load(
      *checkpoint,
      {.num_blocks = KvBlocksFor(flags, ModelRunner::BlockBytes(config), config.text.max_seq_len),
       .mode =
           flags.deterministic ? model::ProductMode::kDeterministic : model::ProductMode::kFast});
  if (!runner.ok()) return runner.status();
  if (absl::Status status = CheckModel(**runner); !status.ok()) return status;
  EngineService::Options options = ServiceOptionsFor(flags, config);
  options.channel.self.mutable_fingerprint()->set_tokenizer(fingerprint->tokenizer);
  options.channel.self.mutable_fingerprint()->set_transformer(fingerprint->transformer);
  return LoadedModel{*std::move(runner), std::move(options)};
}

// Returns when the process has been told to end and has drained, or why it cannot serve.
absl::Status Serve(const EngineFlags& flags) {
  const absl::StatusOr<std::unique_ptr<service::Shutdown>> shutdown = service::Shutdown::Start();
  if (!shutdown.ok()) return shutdown.status();
  service::Metrics metrics("shoal-ar-engine");
  std::atomic<const char*> not_ready = "loading the model";
  absl::StatusOr<std::unique_ptr<service::AdminServer>> admin =
      service::AdminServer::Start({.listen = flags.service.admin_listen,
                                   .metrics = [&] { return metrics.Serialize(); },
                                   .not_ready = [&] { return std::string(not_ready); }});
  if (!admin.ok()) return admin.status();

  absl::StatusOr<LoadedModel> model = Load(flags);
  if (!model.ok()) return model.status();
  // One step at a time: on a CPU the host's part of a step is small, and a step that waits its turn
  // would come before every new request.
  ModelExecutor executor(model->runner.get(),
                         {.semantic_start = model->options.sizes.semantic_start});
  const absl::StatusOr<std::unique_ptr<EngineService>> service =
      EngineService::Start(std::move(model->options), &executor, &metrics);
  if (!service.ok()) return service.status();
  transport::PublishChannelMetrics((*service)->channel(), &metrics);
  not_ready = "";
  spdlog::info("generating with {}, {} KV blocks; fronts reach {}, metrics on {}", flags.checkpoint,
               model->runner->num_blocks(), (*service)->channel().inbox(), (*admin)->address());

  (*shutdown)->OnSignal([&] {
    not_ready = "draining";
    (*service)->Drain();
    if (!(*service)->AwaitIdle(flags.service.drain_grace)) {
      spdlog::warn("some turns have not ended within --drain-grace and fail");
    }
  });
  (*shutdown)->Wait();
  admin->reset();  // no scrape may find the channel gone
  return absl::OkStatus();
}

int Run(int argc, char** argv) {
  service::WaitPassively(argv);
  EngineFlags flags;
  service::FlagSet flag_set("shoal-ar-engine", "Draws audio codes for the prompts of fronts.");
  AddEngineFlags(flag_set, &flags);
  flag_set.ParseOrExit(argc, argv);
  absl::Status status = CheckEngineFlags(flags);
  status.Update(service::SetUpLog(flags.service.log, "shoal-ar-engine"));
  if (status.ok()) {
    at::set_num_threads(flags.threads);
    status = Serve(flags);
  }
  if (!status.ok()) flag_set.Fail(status.message());
  return 0;
}

}  // namespace
}  // namespace shoal::engine

int main(int argc, char** argv) { return shoal::engine::Run(argc, argv); }
