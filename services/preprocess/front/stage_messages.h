// The messages that one stream of the front sends to its stages. Free functions without state; any
// thread.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_STAGE_MESSAGES_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_STAGE_MESSAGES_H_

#include <cstdint>

#include "absl/time/time.h"
#include "common/transport/message.h"
#include "common/transport/peer.h"
#include "services/preprocess/front/listener_clock.h"
#include "services/preprocess/text/prompt.h"

namespace shoal::preprocess {

// A turn of a stream.
struct TurnName {
  pipeline::v1::StreamId stream;
  uint32_t turn = 0;
};

// What a turn is made from.
struct TurnRequest {
  Prompt prompt;
  pipeline::v1::Sampling sampling;
  uint32_t runaway_frames = 0;  // 0 = no text is too long
};

transport::Message OpenDecoderMessage(const pipeline::v1::StreamId& stream,
                                      pipeline::v1::Priority priority);

// `wait_limit` for the first frame; infinite = any.
transport::Message GenerateMessage(const TurnName& name, pipeline::v1::Priority priority,
                                   const TurnRequest& request, const TurnCredit& credit,
                                   absl::Duration wait_limit, const transport::Peer& vocoder);

transport::Message CreditMessage(const TurnName& name, const TurnCredit& credit);

// This turn and later ones.
transport::Message CancelMessage(const TurnName& name);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_STAGE_MESSAGES_H_
