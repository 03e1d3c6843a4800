// What one call is told, as responses in its outbox: that it has begun, warnings, numbered audio in
// the client's encoding, answers to flushes, the end. Owned by one session, on the front's loop.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_SPEECH_OUTPUT_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_SPEECH_OUTPUT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/preprocess/front/audio_encoder.h"
#include "services/preprocess/front/outbox.h"
#include "services/preprocess/front/request_check.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::preprocess {

class SpeechOutput {
 public:
  // `outbox` must outlive it.
  SpeechOutput(AudioEncoder encoder, Outbox* outbox)
      : encoder_(std::move(encoder)), outbox_(outbox) {}

  void Begin(const SessionConfig& config);
  void Warn(absl::string_view code, absl::string_view message);
  // The codec's samples of a turn.
  void Speak(uint32_t turn, absl::Span<const float> pcm);
  // After the audio of all turns so far.
  void AnswerFlush(const std::string& id);
  void End(tts::v1::Done done);

  double bytes_per_second() const { return encoder_.bytes_per_second(); }

 private:
  void Write(AudioEncoder::Chunk chunk);

  AudioEncoder encoder_;
  Outbox* const outbox_;
  uint32_t turn_ = 0;           // that spoke last; the resampler's tail is its
  uint64_t next_sequence_ = 0;  // of audio messages
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_SPEECH_OUTPUT_H_
