// What a front's Submit{decode} asks of the vocoder, checked: any number in it may be wrong.
#ifndef SHOAL_SERVICES_VOCODER_DECODE_CHECK_H_
#define SHOAL_SERVICES_VOCODER_DECODE_CHECK_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/transport/message.h"
#include "services/vocoder/decode_stream.h"

namespace shoal::vocoder {

// What must be known of the decoder for it.
struct DecoderSizes {
  int num_codebooks = 0;
  int frame_length = 0;  // samples
  int replay_frames = 0;
  uint64_t max_stream_frames = 0;
};

// How the stream is to begin. INVALID_ARGUMENT names the field: no decode; a replay with codes of
// other codebooks or of fewer frames than the decoder remembers, or with a position, turn, frame
// and first sample that contradict each other. REQUIRES: CheckMessage has passed the message.
absl::StatusOr<StreamStart> ReadStart(const transport::Message& message, const DecoderSizes& sizes);

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_DECODE_CHECK_H_
