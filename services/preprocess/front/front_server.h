// The front put together: the pipeline's channel, the loop with its sessions, and the gRPC server.
// Owned by main (or a test); any thread may call it.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_SERVER_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_SERVER_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/service/metrics.h"
#include "common/transport/channel.h"
#include "grpcpp/grpcpp.h"
#include "services/preprocess/front/front_loop.h"
#include "services/preprocess/front/front_metrics.h"
#include "services/preprocess/front/front_options.h"
#include "services/preprocess/front/session_table.h"
#include "services/preprocess/front/stream_router.h"
#include "services/preprocess/front/tts_service.h"
#include "services/preprocess/references/reference_cache.h"
#include "services/preprocess/references/reference_encoder.h"
#include "services/preprocess/references/worker_pool.h"
#include "services/preprocess/text/prompt.h"

namespace shoal::preprocess {

class FrontServer {
 public:
  struct Options {
    std::string listen = "127.0.0.1:50051";  // host:port of gRPC, port 0 = any
    int max_receive_bytes = 64 << 20;        // of one request message
    absl::Duration max_connection_age = absl::Hours(1);
    transport::Channel::Options channel;  // `self` but for its stage and limits
    FrontOptions front = {};
    ModelFacts model = {};
  };

  // All pointers must outlive the server.
  static absl::StatusOr<std::unique_ptr<FrontServer>> Start(const Options& options,
                                                            const PromptBuilder* builder,
                                                            const ReferenceEncoder* encoder,
                                                            service::Metrics* metrics);
  // Calls that are still open are cancelled.
  ~FrontServer();
  FrontServer(const FrontServer&) = delete;
  FrontServer& operator=(const FrontServer&) = delete;

  // Refuses new calls and returns when those that run have ended. Past `grace` they end before
  // their next turn, past twice of it wherever they are.
  void Drain(absl::Duration grace);

  // For /readyz: empty when requests can be served, else why not.
  std::string NotReady() const;

  std::string address() const;  // host:port really bound
  const transport::Channel& channel() const { return *channel_; }

 private:
  FrontServer(const Options& options, const PromptBuilder* builder,
              std::unique_ptr<ReferenceCache> references, service::Metrics* metrics);

  absl::Status StartChannel(transport::Channel::Options options);
  absl::Status StartGrpc(const Options& options);
  void UpdateHealth();  // on the loop

  FrontMetrics metrics_;
  FrontLoop loop_;
  StreamRouter router_;
  std::unique_ptr<transport::Channel> channel_;
  std::unique_ptr<ReferenceCache> references_;
  std::unique_ptr<WorkerPool> text_workers_;
  SessionContext context_;
  SessionTable sessions_;
  TtsService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string host_;
  int port_ = 0;

  mutable std::mutex mutex_;
  std::string not_ready_ = "starting";
  bool draining_ = false;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_SERVER_H_
