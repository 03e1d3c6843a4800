// A session's view of its client: one call, whether it streams or not. Implemented beside gRPC in
// tts_service; used on the front's loop only.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_CLIENT_LINK_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_CLIENT_LINK_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::preprocess {

class ClientLink {
 public:
  virtual ~ClientLink() = default;

  // Session::OnRequest or OnEndOfInput follows once. REQUIRES: the last one has followed.
  virtual void ReadNext() = 0;

  // Session::OnWritten follows when there is room for the next. REQUIRES: the last one has
  // followed.
  virtual void Write(tts::v1::StreamingSynthesizeResponse response) = 0;

  // When the client stops waiting; InfiniteFuture when it has not said.
  virtual absl::Time deadline() const = 0;

  // The end, even while a write is under way. No call may follow.
  virtual void Finish(const absl::Status& status) = 0;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_CLIENT_LINK_H_
