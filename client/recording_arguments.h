// --reference and --transcript, which may be repeated and belong together in pairs. They are taken
// from the command line before the other flags are parsed, because their order counts and a
// transcript may hold commas. No state; any thread.
#ifndef SHOAL_CLIENT_RECORDING_ARGUMENTS_H_
#define SHOAL_CLIENT_RECORDING_ARGUMENTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal::client {

struct RecordingArgument {
  bool is_transcript = false;  // else a reference
  std::string value;
};

struct Recording {
  std::string path;
  std::string transcript;  // empty = unknown
};

// Removes both flags with their values, up to "--", and returns them in their order. A last one
// without a value stays, for the parser of the other flags to refuse.
std::vector<RecordingArgument> TakeRecordings(std::vector<const char*>* arguments);

// A transcript belongs to the recording before it, or, where that has one or there is none, to the
// recording after it. INVALID_ARGUMENT: a transcript is left over.
absl::StatusOr<std::vector<Recording>> PairRecordings(
    const std::vector<RecordingArgument>& arguments);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_RECORDING_ARGUMENTS_H_
