// shoal-preprocess: the front of Shoal. Flags in, server up, wait for a signal, drain, out.

#include <memory>

#include "common/service/admin_server.h"
#include "common/service/flag_set.h"
#include "common/service/log.h"
#include "common/service/metrics.h"
#include "common/service/shutdown.h"
#include "services/preprocess/front/front_flags.h"
#include "services/preprocess/front/front_server.h"
#include "services/preprocess/model/front_model.h"

namespace shoal::preprocess {
namespace {

int Run(int argc, const char* const* argv) {
  FrontFlags flags;
  service::FlagSet flag_set("shoal-preprocess",
                            "The front: takes text over gRPC and returns speech.");
  AddFrontFlags(flag_set, &flags);
  flag_set.ParseOrExit(argc, argv);
  const auto require = [&](const absl::Status& status) {
    if (!status.ok()) flag_set.Fail(status.message());
  };
  require(FinishFrontFlags(&flags));
  require(service::SetUpLog(flags.service.log, "shoal-preprocess"));
  absl::StatusOr<std::unique_ptr<service::Shutdown>> shutdown = service::Shutdown::Start();
  require(shutdown.status());

  const absl::StatusOr<FrontModel> model = LoadFrontModel(flags.checkpoint, flags.threads);
  require(model.status());
  flags.server.model = model->facts;
  *flags.server.channel.self.mutable_fingerprint() = model->fingerprint;

  service::Metrics metrics("shoal-preprocess");
  absl::StatusOr<std::unique_ptr<FrontServer>> server =
      FrontServer::Start(flags.server, model->builder.get(), model->encoder.get(), &metrics);
  require(server.status());
  const absl::StatusOr<std::unique_ptr<service::AdminServer>> admin =
      service::AdminServer::Start({.listen = flags.service.admin_listen,
                                   .metrics = [&metrics] { return metrics.Serialize(); },
                                   .not_ready = [&server] { return (*server)->NotReady(); }});
  require(admin.status());
  spdlog::info("serving {} on {}, stages reach {}, metrics on {}", model->facts.name,
               (*server)->address(), (*server)->channel().inbox(), (*admin)->address());

  (*shutdown)->OnSignal([&] {
    spdlog::info("shutting down");
    (*server)->Drain(flags.service.drain_grace);
  });
  (*shutdown)->Wait();
  return 0;
}

}  // namespace
}  // namespace shoal::preprocess

int main(int argc, char** argv) { return shoal::preprocess::Run(argc, argv); }
