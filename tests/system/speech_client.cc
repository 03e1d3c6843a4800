#include "tests/system/speech_client.h"

#include <chrono>
#include <cstring>

namespace shoal::testing {
namespace {

using tts::v1::StreamingSynthesizeRequest;
using tts::v1::StreamingSynthesizeResponse;

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  return details;
}

template <typename Sample>
std::vector<Sample> Samples(const std::string& bytes) {
  std::vector<Sample> samples(bytes.size() / sizeof(Sample));
  std::memcpy(samples.data(), bytes.data(), samples.size() * sizeof(Sample));
  return samples;
}

}  // namespace

std::vector<std::string> ViolatedFields(const grpc::Status& status) {
  std::vector<std::string> fields;
  const google::rpc::Status details = Details(status);
  for (const auto& any : details.details()) {
    google::rpc::BadRequest bad;
    if (!any.UnpackTo(&bad)) continue;
    for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  }
  return fields;
}

std::string ErrorReason(const grpc::Status& status) {
  const google::rpc::Status details = Details(status);
  for (const auto& any : details.details()) {
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info)) return info.reason();
  }
  return "";
}

SpeechCall::SpeechCall(tts::v1::TextToSpeechService::Stub& stub) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
  stream_ = stub.StreamingSynthesize(&context_);
}

void SpeechCall::Configure(const tts::v1::SynthesisConfig& config) {
  StreamingSynthesizeRequest request;
  *request.mutable_config() = config;
  stream_->Write(request);
}

void SpeechCall::Text(const std::string& piece) {
  StreamingSynthesizeRequest request;
  request.set_text(piece);
  stream_->Write(request);
}

void SpeechCall::Flush(const std::string& id) {
  StreamingSynthesizeRequest request;
  request.mutable_flush()->set_id(id);
  stream_->Write(request);
}

void SpeechCall::EndOfText() { stream_->WritesDone(); }

std::optional<StreamingSynthesizeResponse> SpeechCall::Next() {
  StreamingSynthesizeResponse response;
  if (!stream_->Read(&response)) return std::nullopt;
  return response;
}

grpc::Status SpeechCall::Finish() { return stream_->Finish(); }

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
  arguments.SetMaxReceiveMessageSize(64 << 20);
  // Separate channels must not share one connection when a test asks for several clients.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return tts::v1::TextToSpeechService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

}  // namespace shoal::testing
