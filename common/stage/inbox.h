// Inbox: what has come for a stage and waits for its model thread. It is bounded, and Submits,
// whose prompts can be large, have a bound of their own: those beyond it lie here only as refusals.
//
// Any thread puts in, and never blocks; one thread, the model thread, takes out. Everything leaves
// in the order in which it came.
#ifndef SHOAL_COMMON_STAGE_INBOX_H_
#define SHOAL_COMMON_STAGE_INBOX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/service/bounded_queue.h"
#include "common/transport/message.h"

namespace shoal::stage {

struct Arrival {
  enum class Kind { kMessage, kRefused, kPeerDown, kDrain } kind = Kind::kDrain;
  uint64_t from = 0;
  transport::Message message = {};  // kRefused: a Submit of which only the name of its turn is left
  absl::Status refusal = {};        // kRefused
  std::string why = "";             // kPeerDown
};

class Inbox {
 public:
  struct Options {
    // Room for what must not be lost (cancels, peers that went down) behind the Submits.
    size_t capacity = 1 << 16;
    int max_submits = std::numeric_limits<int>::max();  // that are not handled yet
  };

  explicit Inbox(const Options& options);

  // Each is false when there is no room, which is logged, or the inbox is closed: it is lost then.
  bool PutMessage(uint64_t from, transport::Message message);
  // A message that cannot be read. True too when nobody waits for an answer to it.
  bool PutMalformed(uint64_t from, const pipeline::v1::Envelope& envelope, const absl::Status& why);
  bool PutPeerDown(uint64_t incarnation, absl::string_view why);
  bool PutDrain();

  // Waits for an arrival at most that long, and handles all there are.
  void HandleAll(absl::Duration wait, absl::FunctionRef<void(const Arrival&)> handle);

  // Nothing comes in any more, and HandleAll does not wait.
  void Close() { arrivals_.Close(); }
  bool closed() const { return arrivals_.closed(); }

 private:
  bool Put(Arrival arrival);

  const int max_submits_;
  std::atomic<int> submits_{0};  // not handled yet, and not refused
  service::BoundedQueue<Arrival> arrivals_;
};

}  // namespace shoal::stage

#endif  // SHOAL_COMMON_STAGE_INBOX_H_
