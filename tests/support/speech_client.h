// A client of the front, for tests: one call driven step by step, or spoken and heard as a whole.
#ifndef SHOAL_TESTS_SUPPORT_SPEECH_CLIENT_H_
#define SHOAL_TESTS_SUPPORT_SPEECH_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "google/rpc/error_model.pb.h"
#include "shoal/tts/v1/tts.grpc.pb.h"

namespace shoal::testing {

// From a status's details: the fields that BadRequest names, ErrorInfo's reason, the seconds of
// RetryInfo (negative when there is none).
std::vector<std::string> ViolatedFields(const grpc::Status& status);
std::string ErrorReason(const grpc::Status& status);
double RetryDelay(const grpc::Status& status);

// A deadline of a minute ends it.
class SpeechCall {
 public:
  explicit SpeechCall(tts::v1::TextToSpeechService::Stub& stub);

  void Configure(const tts::v1::SynthesisConfig& config);
  void Text(const std::string& piece);
  void Flush(const std::string& id);
  void EndOfText();
  void Cancel() { context_.TryCancel(); }

  // The next response; nothing after the last.
  std::optional<tts::v1::StreamingSynthesizeResponse> Next();
  grpc::Status Finish() { return stream_->Finish(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<tts::v1::StreamingSynthesizeRequest,
                                           tts::v1::StreamingSynthesizeResponse>>
      stream_;
};

struct Speech {
  grpc::Status status;
  tts::v1::Started started;
  std::string audio;  // all audio messages, joined
  std::vector<tts::v1::Audio> messages;
  std::vector<std::string> warnings;  // codes
  std::vector<std::string> flushed;   // ids
  tts::v1::Done done;

  std::vector<float> Float32() const;     // of FLOAT32 audio
  std::vector<int16_t> Linear16() const;  // of LINEAR16 audio
};

// Takes all that is left of a call.
Speech Drain(SpeechCall& call);

// A whole call: config, the pieces of text, half-close, and all that came back.
Speech Speak(tts::v1::TextToSpeechService::Stub& stub, const tts::v1::SynthesisConfig& config,
             const std::vector<std::string>& pieces);

std::unique_ptr<tts::v1::TextToSpeechService::Stub> Connect(const std::string& address);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SUPPORT_SPEECH_CLIENT_H_
