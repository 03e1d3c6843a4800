#include "services/preprocess/front/front_server.h"

#include <sodium.h>

#include <chrono>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/service/host_port.h"
#include "common/transport/channel_metrics.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "spdlog/spdlog.h"

namespace shoal::preprocess {
namespace {

ReferenceCache::Options CacheOptions(const FrontOptions& options) {
  ReferenceCache::Options cache;
  cache.limits.max_bytes = static_cast<size_t>(options.request.max_reference_bytes);
  cache.limits.max_seconds = options.request.max_reference_seconds;
  cache.max_bytes = static_cast<size_t>(options.reference_cache_bytes);
  cache.workers = options.reference_workers;
  cache.max_waiting = static_cast<size_t>(options.max_waiting_references);
  cache.folder = options.reference_cache_dir;
  cache.max_disk_bytes = options.reference_cache_mb << 20;
  return cache;
}

// With the flags' word on sampling over the checkpoint's.
ModelFacts FactsUnder(const FrontServer::Options& options) {
  ModelFacts facts = options.model;
  tts::v1::SamplingConfig flags;
  flags.set_residual_sampling(options.front.residual_sampling);
  facts.sampling = FillSampling(flags, facts.sampling);
  return facts;
}

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

}  // namespace

FrontServer::FrontServer(const Options& options, const PromptBuilder* builder,
                         std::unique_ptr<ReferenceCache> references, service::Metrics* metrics)
    : metrics_(metrics),
      router_(options.front.router, &loop_, &metrics_),
      references_(std::move(references)),
      // A session has one turn laid out at a time.
      text_workers_(std::make_unique<WorkerPool>(options.front.text_workers,
                                                 static_cast<size_t>(options.front.max_streams))),
      context_{.options = options.front,
               .model = FactsUnder(options),
               .builder = builder,
               .loop = &loop_,
               .router = &router_,
               .references = references_.get(),
               .text_workers = text_workers_.get(),
               .metrics = &metrics_},
      sessions_(&context_),
      service_(&context_, &sessions_) {}

absl::StatusOr<std::unique_ptr<FrontServer>> FrontServer::Start(const Options& options,
                                                                const PromptBuilder* builder,
                                                                const ReferenceEncoder* encoder,
                                                                service::Metrics* metrics) {
  if (sodium_init() < 0) return absl::InternalError("libsodium cannot be initialised");
  absl::StatusOr<std::unique_ptr<ReferenceCache>> references =
      ReferenceCache::Create(CacheOptions(options.front), encoder, metrics);
  if (!references.ok()) {
    return absl::Status(references.status().code(),
                        absl::StrCat("--reference-cache-dir: ", references.status().message()));
  }
  std::unique_ptr<FrontServer> server(
      new FrontServer(options, builder, *std::move(references), metrics));
  if (absl::Status status = server->StartGrpc(options); !status.ok()) return status;
  if (absl::Status status = server->StartChannel(options.channel); !status.ok()) return status;
  transport::PublishChannelMetrics(*server->channel_, metrics);
  spdlog::info("sampling, where a request leaves it open: {}",
               server->context_.model.sampling.ShortDebugString());
  return server;
}

absl::Status FrontServer::StartChannel(transport::Channel::Options options) {
  const ModelFacts& model = context_.model;
  options.self.set_stage(pipeline::v1::FRONT);
  options.self.mutable_limits()->set_num_codebooks(model.num_codebooks);
  options.self.mutable_limits()->set_sample_rate_hz(model.sample_rate_hz);
  options.self.mutable_limits()->set_frame_length(model.frame_length);
  options.self.mutable_limits()->set_max_seq_len(static_cast<uint32_t>(model.max_seq_len));
  // Peers may come up as soon as the channel starts; no stream is opened before one is up.
  std::promise<void> attached;
  std::shared_future<void> ready = attached.get_future().share();
  loop_.Post([ready] { ready.wait(); });
  absl::StatusOr<std::unique_ptr<transport::Channel>> channel =
      transport::Channel::Start(std::move(options), router_.handlers());
  if (channel.ok()) {
    channel_ = *std::move(channel);
    router_.Attach(channel_.get());
  }
  attached.set_value();
  return channel.status();
}

absl::Status FrontServer::StartGrpc(const Options& options) {
  const absl::StatusOr<service::HostPort> listen = service::ParseHostPort(options.listen);
  if (!listen.ok()) return listen.status();
  host_ = listen->host;
  router_.OnPeersChanged([this] { UpdateHealth(); });

  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(&service_);
  builder.SetMaxReceiveMessageSize(options.max_receive_bytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(absl::Seconds(30)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(absl::Seconds(20)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(absl::Seconds(10)));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                             Milliseconds(options.max_connection_age));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                             Milliseconds(options.front.session.max_session));
  // Two servers on one port would share the calls between them unseen.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen));
  }
  loop_.Run([this] { UpdateHealth(); });
  return absl::OkStatus();
}

void FrontServer::UpdateHealth() {
  std::string not_ready = router_.missing();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (draining_) not_ready = "shutting down";
    if (not_ready != not_ready_) {
      spdlog::info("{}", not_ready.empty() ? "ready" : "not ready: " + not_ready);
    }
    not_ready_ = not_ready;
  }
  grpc::HealthCheckServiceInterface& health = *server_->GetHealthCheckService();
  health.SetServingStatus("", not_ready.empty());
  health.SetServingStatus(tts::v1::TextToSpeechService::service_full_name(), not_ready.empty());
}

std::string FrontServer::NotReady() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return not_ready_;
}

std::string FrontServer::address() const {
  const bool v6 = host_.find(':') != std::string::npos;
  return absl::StrCat(v6 ? "[" : "", host_, v6 ? "]:" : ":", port_);
}

void FrontServer::Drain(absl::Duration grace) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    draining_ = true;
  }
  auto ended = std::make_shared<std::promise<void>>();
  std::future<void> all_ended = ended->get_future();
  loop_.Run([&] {
    UpdateHealth();
    sessions_.Drain([ended] { ended->set_value(); });
  });
  const auto wait = absl::ToChronoMilliseconds(grace);
  if (all_ended.wait_for(wait) == std::future_status::ready) return;
  loop_.Run([this] { sessions_.EndBetweenTurns(); });
  all_ended.wait_for(wait);
}

FrontServer::~FrontServer() {
  // From the outside in: calls, what calls wait for, the stages.
  if (server_ != nullptr) {
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
  }
  references_.reset();
  text_workers_.reset();
  channel_.reset();
  loop_.Run([] {});  // calls delete themselves here
}

}  // namespace shoal::preprocess
