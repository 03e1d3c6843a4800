#include "tests/support/speech_client.h"

#include <chrono>
#include <cstring>

namespace shoal::testing {
namespace {

// The first detail of a type; nothing when there is none.
template <typename Detail>
std::optional<Detail> Find(const grpc::Status& status) {
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  Detail detail;
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

template <typename Sample>
std::vector<Sample> Samples(const std::string& bytes) {
  std::vector<Sample> samples(bytes.size() / sizeof(Sample));
  if (!samples.empty()) std::memcpy(samples.data(), bytes.data(), samples.size() * sizeof(Sample));
  return samples;
}

}  // namespace

std::vector<std::string> ViolatedFields(const grpc::Status& status) {
  std::vector<std::string> fields;
  const std::optional<google::rpc::BadRequest> bad = Find<google::rpc::BadRequest>(status);
  if (!bad) return fields;
  for (const auto& violation : bad->field_violations()) fields.push_back(violation.field());
  return fields;
}

std::string ErrorReason(const grpc::Status& status) {
  const std::optional<google::rpc::ErrorInfo> info = Find<google::rpc::ErrorInfo>(status);
  return info ? info->reason() : "";
}

double RetryDelay(const grpc::Status& status) {
  const std::optional<google::rpc::RetryInfo> retry = Find<google::rpc::RetryInfo>(status);
  if (!retry) return -1;
  const google::protobuf::Duration& delay = retry->retry_delay();
  return static_cast<double>(delay.seconds()) + 1e-9 * delay.nanos();
}

SpeechCall::SpeechCall(tts::v1::TextToSpeechService::Stub& stub) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  stream_ = stub.StreamingSynthesize(&context_);
}

void SpeechCall::Configure(const tts::v1::SynthesisConfig& config) {
  tts::v1::StreamingSynthesizeRequest request;
  *request.mutable_config() = config;
  stream_->Write(request);
}

void SpeechCall::Text(const std::string& piece) {
  tts::v1::StreamingSynthesizeRequest request;
  request.set_text(piece);
  stream_->Write(request);
}

void SpeechCall::Flush(const std::string& id) {
  tts::v1::StreamingSynthesizeRequest request;
  request.mutable_flush()->set_id(id);
  stream_->Write(request);
}

void SpeechCall::EndOfText() { stream_->WritesDone(); }

std::optional<tts::v1::StreamingSynthesizeResponse> SpeechCall::Next() {
  tts::v1::StreamingSynthesizeResponse response;
  if (!stream_->Read(&response)) return std::nullopt;
  return response;
}

std::vector<float> Speech::Float32() const { return Samples<float>(audio); }

std::vector<int16_t> Speech::Linear16() const { return Samples<int16_t>(audio); }

Speech Drain(SpeechCall& call) {
  Speech speech;
  while (auto response = call.Next()) {
    if (response->has_started()) speech.started = response->started();
    if (response->has_done()) speech.done = response->done();
    if (response->has_warning()) speech.warnings.push_back(response->warning().code());
    if (response->has_flushed()) speech.flushed.push_back(response->flushed().id());
    if (response->has_audio()) {
      speech.audio += response->audio().data();
      speech.messages.push_back(response->audio());
    }
  }
  speech.status = call.Finish();
  return speech;
}

Speech Speak(tts::v1::TextToSpeechService::Stub& stub, const tts::v1::SynthesisConfig& config,
             const std::vector<std::string>& pieces) {
  SpeechCall call(stub);
  call.Configure(config);
  for (const std::string& piece : pieces) call.Text(piece);
  call.EndOfText();
  return Drain(call);
}

std::unique_ptr<tts::v1::TextToSpeechService::Stub> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  // Clients of a test must not share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return tts::v1::TextToSpeechService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

}  // namespace shoal::testing
