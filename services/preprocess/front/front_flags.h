// The flags of shoal-preprocess and what they fill.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_FLAGS_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_FLAGS_H_

#include <string>
#include <vector>

#include "common/service/flag_set.h"
#include "common/service/service_options.h"
#include "services/preprocess/front/front_server.h"

namespace shoal::preprocess {

struct FrontFlags {
  std::string checkpoint;
  std::vector<std::string> engines, vocoders;
  std::string residual_sampling;
  int threads = 1;
  service::ServiceOptions service;
  FrontServer::Options server{.channel = {.bind = "tcp://127.0.0.1:9000"}};
};

// Declares all flags; the defaults are those of *flags.
void AddFrontFlags(service::FlagSet& flag_set, FrontFlags* flags);

// What the flags cannot check one by one; the error names the flag. Completes flags->server.
absl::Status FinishFrontFlags(FrontFlags* flags);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_FLAGS_H_
