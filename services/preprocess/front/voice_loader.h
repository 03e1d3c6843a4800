// The recordings of one call on their way to becoming voices. Owned by one session, on the front's
// loop. Once it is destroyed, what nobody else waits for is not encoded to its end.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_VOICE_LOADER_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_VOICE_LOADER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "services/preprocess/front/conversation.h"
#include "services/preprocess/front/front_loop.h"
#include "services/preprocess/front/request_check.h"
#include "services/preprocess/references/reference_cache.h"

namespace shoal::preprocess {

class VoiceLoader {
 public:
  // Called on the loop, once: voices in the order of the recordings, or what is wrong with one of
  // them, naming the field. Never after the loader is destroyed.
  using Done = std::function<void(absl::StatusOr<std::vector<Voice>>)>;

  // Both must outlive it. When there are no recordings, `done` is called before this returns.
  VoiceLoader(ReferenceCache* cache, FrontLoop* loop, std::vector<UploadedReference> uploads,
              Done done);
  VoiceLoader(const VoiceLoader&) = delete;
  VoiceLoader& operator=(const VoiceLoader&) = delete;

 private:
  struct State {
    std::vector<Voice> voices;
    size_t missing = 0;
    std::vector<ReferenceCache::Ticket> tickets;
    Done done;  // null once called
  };
  static void OnReference(State& state, size_t index, absl::StatusOr<SharedReference> reference);

  std::shared_ptr<State> state_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_VOICE_LOADER_H_
