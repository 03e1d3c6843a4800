// `shoal say`: speaks a text through a server.
#ifndef SHOAL_CLIENT_SAY_H_
#define SHOAL_CLIENT_SAY_H_

#include <optional>
#include <string>

#include "client/console.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::client {

struct SayOptions {
  std::string server = "127.0.0.1:50051";
  std::optional<std::string> text;  // none: from the console's input
  std::string output;               // WAV file; empty or "-": raw int16 to the console's output
  tts::v1::SynthesisConfig config;  // references included; the encoding is Say's
};

// Returns the exit code; prints progress, warnings and the last line, or why there is no audio.
int Say(const SayOptions& options, const Console& console);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_SAY_H_
