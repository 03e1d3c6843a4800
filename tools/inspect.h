// What a checkpoint directory holds, as text for people.
#ifndef SHOAL_TOOLS_INSPECT_H_
#define SHOAL_TOOLS_INSPECT_H_

#include <string>

#include "absl/status/statusor.h"

namespace shoal::tools {

// Parts that are missing are said to be missing; parts that cannot be read are an error.
// `tensors`: list every tensor too.
absl::StatusOr<std::string> InspectCheckpoint(const std::string& directory, bool tensors);

}  // namespace shoal::tools

#endif  // SHOAL_TOOLS_INSPECT_H_
