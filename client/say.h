// `shoal say`: speaks a text through a server.
#ifndef SHOAL_CLIENT_SAY_H_
#define SHOAL_CLIENT_SAY_H_

#include <optional>
#include <string>

#include "client/connection.h"
#include "client/console.h"
#include "common/service/shutdown.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::client {

struct SayOptions {
  std::string server = kDefaultServer;
  std::optional<std::string> text;  // UTF-8; none: from the console's input
  std::string output;               // WAV file; empty or "-": to the console's output
  tts::v1::SynthesisConfig config;  // references included; the encoding is Say's
};

// Returns the exit code; prints progress, warnings and the last line, or why there is no audio.
// What was received before a failure or a signal is kept. `signals` may be null; nothing else may
// have called its OnSignal.
int Say(const SayOptions& options, const Console& console, service::Shutdown* signals);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_SAY_H_
