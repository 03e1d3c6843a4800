// One synthetic frame, so that an engine that cannot work says so at its start and not to a client.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_SELF_CHECK_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_SELF_CHECK_H_

#include "absl/status/status.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {

// Runs a prompt of a few tokens 0 through `model` and draws a frame, in the KV blocks from 0 on.
// REQUIRES: no sequence uses the model yet. The time it takes is a first step's, caches cold.
absl::Status CheckModel(StepModel& model);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_SELF_CHECK_H_
