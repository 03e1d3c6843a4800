#include "services/preprocess/front/speech_output.h"

#include <utility>

namespace shoal::preprocess {

void SpeechOutput::Begin(const SessionConfig& config) {
  tts::v1::StreamingSynthesizeResponse response;
  tts::v1::Started& started = *response.mutable_started();
  started.set_request_id(config.request_id);
  started.set_seed(config.sampling.seed());
  started.set_sample_rate_hz(config.sample_rate_hz);
  started.set_encoding(config.encoding);
  outbox_->Push(std::move(response));
}

void SpeechOutput::Warn(absl::string_view code, absl::string_view message) {
  tts::v1::StreamingSynthesizeResponse response;
  response.mutable_warning()->set_code(std::string(code));
  response.mutable_warning()->set_message(std::string(message));
  outbox_->Push(std::move(response));
}

void SpeechOutput::Speak(uint32_t turn, absl::Span<const float> pcm) {
  turn_ = turn;
  Write(encoder_.Encode(pcm));
}

void SpeechOutput::AnswerFlush(const std::string& id) {
  Write(encoder_.Flush());
  tts::v1::StreamingSynthesizeResponse response;
  response.mutable_flushed()->set_id(id);
  outbox_->Push(std::move(response));
}

void SpeechOutput::End(tts::v1::Done done) {
  Write(encoder_.Finish());
  done.set_samples(encoder_.samples());
  tts::v1::StreamingSynthesizeResponse response;
  *response.mutable_done() = std::move(done);
  outbox_->Push(std::move(response));
}

void SpeechOutput::Write(AudioEncoder::Chunk chunk) {
  if (chunk.data.empty()) return;
  tts::v1::StreamingSynthesizeResponse response;
  tts::v1::Audio& audio = *response.mutable_audio();
  audio.set_data(std::move(chunk.data));
  audio.set_sequence(next_sequence_++);
  audio.set_turn(turn_);
  audio.set_first_sample(chunk.first_sample);
  outbox_->Push(std::move(response));
}

}  // namespace shoal::preprocess
