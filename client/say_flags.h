// The command line of `shoal say`.
#ifndef SHOAL_CLIENT_SAY_FLAGS_H_
#define SHOAL_CLIENT_SAY_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/recording_arguments.h"
#include "client/say.h"
#include "common/service/flag_set.h"

namespace shoal::client {

// Texts as given. A number or a choice that is empty is left to the server: its presence counts,
// not its value.
struct SayFlags {
  std::string server = SayOptions().server;
  std::string output, request_id;
  std::vector<RecordingArgument> recordings;  // of the command line
  std::string reference, transcript;          // of the environment; the command line replaces them
  std::string seed, max_frames, temperature, top_p, top_k, repetition_penalty;
  std::string residual_sampling, filter_order;
  std::string ras, ras_window, ras_temperature, ras_top_p;
  std::string chunk_length, sample_rate;
  std::vector<std::string> words;
};

void AddSayFlags(service::FlagSet& set, SayFlags* flags);

// INVALID_ARGUMENT or what the reference's file gives; the error names the flag.
absl::StatusOr<SayOptions> OptionsOf(const SayFlags& flags);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_SAY_FLAGS_H_
