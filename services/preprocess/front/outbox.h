// What waits to be written to one client, and the limits of patience with it. Owned by one session,
// on the front's loop.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_OUTBOX_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_OUTBOX_H_

#include <cstdint>
#include <deque>
#include <functional>

#include "prometheus/gauge.h"
#include "services/preprocess/front/client_link.h"
#include "services/preprocess/front/front_loop.h"
#include "services/preprocess/front/front_options.h"

namespace shoal::preprocess {

class Outbox {
 public:
  // `too_slow` is called once, later, from the loop: the client took nothing for
  // SessionLimits::client_stall while it held the call up, or twice as much waits as may.
  // REQUIRES: `link` lives until Close.
  // `waiting` adds up the bytes of all outboxes; it outlives them.
  Outbox(FrontLoop* loop, const SessionLimits& limits, ClientLink* link, prometheus::Gauge* waiting,
         std::function<void()> too_slow);
  ~Outbox() { Count(-waiting_bytes_); }
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  void Push(tts::v1::StreamingSynthesizeResponse response);
  // The client has taken the message that was being written. Returns its bytes of audio.
  int64_t OnWritten();
  // Drops what waits; nothing is written any more.
  void Close();

  bool empty() const { return waiting_.empty() && in_flight_bytes_ < 0; }
  // Little enough waits for another turn to begin; else the client holds the call up.
  bool has_room() const { return waiting_bytes_ <= limits_.max_waiting_audio_bytes / 2; }
  // Of audio that the client has not taken.
  int64_t waiting_bytes() const { return waiting_bytes_; }

 private:
  void Count(int64_t bytes);  // more of them wait, or fewer
  void WriteNext();
  void WatchClient();

  FrontLoop* const loop_;
  const SessionLimits limits_;
  ClientLink* link_;
  prometheus::Gauge* const gauge_;
  const std::function<void()> too_slow_;
  std::deque<tts::v1::StreamingSynthesizeResponse> waiting_;
  int64_t waiting_bytes_ = 0;     // of audio, the write under way included
  int64_t in_flight_bytes_ = -1;  // of audio in the write under way; -1 = none is
  FrontLoop::Timer patience_;
  bool given_up_ = false;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_OUTBOX_H_
