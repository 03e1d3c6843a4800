#include "client/say.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/audio_sink.h"
#include "client/progress.h"
#include "client/status_report.h"
#include "client/text_source.h"
#include "grpcpp/grpcpp.h"
#include "shoal/tts/v1/tts.grpc.pb.h"

namespace shoal::client {
namespace {

using tts::v1::StreamingSynthesizeRequest;
using tts::v1::StreamingSynthesizeResponse;
using Stream = grpc::ClientReaderWriter<StreamingSynthesizeRequest, StreamingSynthesizeResponse>;

// One call: a thread writes the text while the caller's reads the audio.
class Call {
 public:
  Call(const SayOptions& options, const Console& console)
      : options_(options),
        console_(console),
        stub_(tts::v1::TextToSpeechService::NewStub(
            grpc::CreateChannel(options.server, grpc::InsecureChannelCredentials()))),
        stream_(stub_->StreamingSynthesize(&context_)),
        source_(options.text ? std::make_unique<TextSource>(*options.text)
                             : std::make_unique<TextSource>(console.input)),
        sink_(options.output, console.output),
        progress_(console.error, isatty(fileno(console.error)) != 0) {}

  int Run() {
    std::thread writer([this] { WriteText(); });
    StreamingSynthesizeResponse response;
    while (local_error_.ok() && stream_->Read(&response)) local_error_ = Take(response);
    if (!local_error_.ok()) context_.TryCancel();
    source_->Stop();
    writer.join();
    const grpc::Status status = stream_->Finish();
    local_error_.Update(sink_.Close());
    return Report(status);
  }

 private:
  // On its own thread. A write fails when the call is over; the reader finds out why.
  void WriteText() {
    StreamingSynthesizeRequest request;
    *request.mutable_config() = options_.config;
    request.mutable_config()->mutable_audio()->set_encoding(tts::v1::LINEAR16);
    bool open = stream_->Write(request);
    while (open) {
      std::optional<std::string> piece = source_->Next();
      if (!piece) break;
      if (!text_sent_.load()) {
        first_text_ = Progress::Clock::now();
        text_sent_ = true;
      }
      request.set_text(*std::move(piece));
      open = stream_->Write(request);
      if (open && source_->interactive()) {
        request.mutable_flush();
        open = stream_->Write(request);
      }
    }
    stream_->WritesDone();
  }

  absl::Status Take(const StreamingSynthesizeResponse& response) {
    switch (response.response_case()) {
      case StreamingSynthesizeResponse::kStarted:
        started_ = response.started();
        return sink_.Open(started_.sample_rate_hz());
      case StreamingSynthesizeResponse::kAudio: {
        const std::string& data = response.audio().data();
        if (text_sent_.load()) progress_.OnText(first_text_);
        progress_.OnAudio(Progress::Clock::now(),
                          static_cast<double>(data.size()) / 2 / started_.sample_rate_hz());
        return sink_.Write(data);
      }
      case StreamingSynthesizeResponse::kWarning:
        std::fprintf(console_.error, "shoal: warning: %s: %s\n", response.warning().code().c_str(),
                     response.warning().message().c_str());
        break;
      case StreamingSynthesizeResponse::kDone:
        turns_ = response.done().turns_size();
        break;
      case StreamingSynthesizeResponse::kFlushed:
      case StreamingSynthesizeResponse::RESPONSE_NOT_SET:
        break;
    }
    return absl::OkStatus();
  }

  int Report(const grpc::Status& status) {
    if (!local_error_.ok()) {
      std::fprintf(console_.error, "shoal: %s\n", std::string(local_error_.message()).c_str());
      return kBadUsage;
    }
    if (!status.ok()) {
      std::fprintf(console_.error, "shoal: %s: %s\n", options_.server.c_str(),
                   DescribeStatus(status).c_str());
      return kRefused;
    }
    const std::string where =
        options_.output.empty() || options_.output == "-" ? "" : " -> " + options_.output;
    progress_.Finish(
        absl::StrCat(turns_, turns_ == 1 ? " turn" : " turns", ", seed ", started_.seed(), where));
    return kOk;
  }

  const SayOptions& options_;
  const Console& console_;
  std::unique_ptr<tts::v1::TextToSpeechService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<TextSource> source_;
  AudioSink sink_;
  Progress progress_;
  std::atomic<bool> text_sent_ = false;
  Progress::Clock::time_point first_text_;  // written before text_sent_, read after it
  tts::v1::Started started_;
  int turns_ = 0;
  absl::Status local_error_;
};

}  // namespace

int Say(const SayOptions& options, const Console& console) {
  const bool to_output = options.output.empty() || options.output == "-";
  if (to_output && isatty(fileno(console.output)) != 0) {
    std::fprintf(
        console.error,
        "shoal say: -o: expected a file, or an output that is no terminal, for the audio\n");
    return kBadUsage;
  }
  return Call(options, console).Run();
}

}  // namespace shoal::client
