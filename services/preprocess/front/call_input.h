// What a client sends, and in which order it may: its config, first and once; text and flushes; the
// end. No more is read than is soon used: what is not read stays with the client. A client that
// sends nothing while nothing is left to do stalls, sooner or later.
//
// Owned by one session, on the front's loop.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_CALL_INPUT_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_CALL_INPUT_H_

#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/preprocess/front/client_link.h"
#include "services/preprocess/front/front_loop.h"
#include "services/preprocess/front/front_options.h"
#include "services/preprocess/front/text_queue.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::preprocess {

class CallInput {
 public:
  // `stalled` is called from the loop. REQUIRES: `link` lives until Close.
  CallInput(FrontLoop* loop, const SessionLimits& limits, ClientLink* link,
            std::function<void()> stalled);

  // Asks the client for its next message, unless one is asked for or enough waits.
  void ReadMore();
  // The client has answered: before Take, or when what came cannot be used.
  void OnAnswer();

  // Queues text or a flush, or returns the config. INVALID_ARGUMENT names the field.
  absl::StatusOr<std::optional<tts::v1::SynthesisConfig>> Take(
      tts::v1::StreamingSynthesizeRequest request);
  // The config was good: text may come.
  void Open(TextQueue text) { text_ = std::move(text); }
  // The client sends no more. INVALID_ARGUMENT when it never sent a config.
  absl::Status End();
  // Nothing comes and goes any more.
  void Close();

  // What is to be done next; when that is nothing, the client is waited for, but not for ever.
  // REQUIRES: Open.
  absl::StatusOr<std::optional<TextQueue::Item>> Next();
  void WatchForStall();

 private:
  absl::Status TakeFlush(const tts::v1::Flush& flush);

  FrontLoop* const loop_;
  const SessionLimits limits_;
  ClientLink* link_;
  const std::function<void()> stalled_;
  FrontLoop::Timer stall_;
  std::optional<TextQueue> text_;  // from the config on
  bool reading_ = false;
  bool ended_ = false;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_CALL_INPUT_H_
