// Stage: what a process of the pipeline does with what it is told, and when nobody tells it
// anything. A StageLoop calls it; one thread, the model thread, runs all of it.
#ifndef SHOAL_COMMON_STAGE_STAGE_H_
#define SHOAL_COMMON_STAGE_STAGE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/transport/channel.h"

namespace shoal::stage {

class Stage {
 public:
  // What heartbeats say, and what draining waits for.
  struct Load {
    int running = 0;
    int waiting = 0;
    bool busy = false;  // there is something to do now
    bool idle = true;   // nothing is left that would have to end
  };

  virtual ~Stage() = default;

  // The network is there: before all of the below, on the thread that starts the loop. `channel`
  // outlives those calls.
  virtual void Connect(transport::Channel* channel) = 0;

  virtual void HandleMessage(uint64_t from, const transport::Message& message) = 0;
  // A Submit that did not get through, which `from` waits for. Of it there are only the stream, the
  // turn and the attempt, as the sender gave them.
  virtual void Refuse(uint64_t from, const pipeline::v1::Submit& submit,
                      const absl::Status& why) = 0;
  virtual void HandlePeerDown(uint64_t incarnation, absl::string_view why) = 0;

  // Does what there is to do, in less than the declared step_bound. Returns how long the next step
  // may wait for a message.
  virtual absl::Duration Step() = 0;
  // The load as it is now, of which metrics are told too. After everything that changes it.
  virtual Load PublishLoad() = 0;

  // The process ends: whatever is left fails. After it nothing is called but PublishLoad.
  virtual void FailAll() = 0;
};

}  // namespace shoal::stage

#endif  // SHOAL_COMMON_STAGE_STAGE_H_
