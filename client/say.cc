#include "client/say.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/progress.h"
#include "client/text_source.h"
#include "client/wav_output.h"
#include "shoal/tts/v1/tts.grpc.pb.h"

namespace shoal::client {
namespace {

using tts::v1::StreamingSynthesizeRequest;
using tts::v1::StreamingSynthesizeResponse;
using Stream = grpc::ClientReaderWriter<StreamingSynthesizeRequest, StreamingSynthesizeResponse>;

constexpr int kBytesPerSample = 2;  // LINEAR16

int Complain(const Console& console, int code, const absl::Status& status) {
  std::fprintf(console.error, "shoal say: %s\n", std::string(status.message()).c_str());
  return code;
}

// One call: a thread writes the text while the caller's reads the audio.
class Call {
 public:
  Call(const SayOptions& options, const Console& console, std::shared_ptr<grpc::Channel> channel,
       WavOutput output, service::Shutdown* signals)
      : options_(options),
        console_(console),
        signals_(signals),
        output_(std::move(output)),
        stub_(tts::v1::TextToSpeechService::NewStub(std::move(channel))),
        source_(options.text ? std::make_unique<TextSource>(*options.text)
                             : std::make_unique<TextSource>(console.input)),
        progress_(console.error, isatty(fileno(console.error)) != 0) {
    // A signal may come when this call is gone, so the context is shared with the callback.
    if (signals != nullptr) signals->OnSignal([context = context_] { context->TryCancel(); });
    stream_ = stub_->StreamingSynthesize(context_.get());
  }

  int Run() {
    if (source_->interactive()) progress_.Note("Type what to say; Ctrl-D ends the text.");
    std::thread writer([this] { WriteText(); });
    StreamingSynthesizeResponse response;
    while (local_error_.ok() && stream_->Read(&response)) local_error_ = Take(response);
    if (!local_error_.ok()) context_->TryCancel();
    source_->Stop();
    writer.join();
    const grpc::Status status = stream_->Finish();
    // A call that failed before any audio leaves an older file alone.
    const bool keep = output_.begun() && (status.ok() || output_.data_bytes() > 0);
    if (keep) local_error_.Update(output_.Finish());
    const int code = Verdict(status);
    if (keep) progress_.Finish(LastWords());
    return code;
  }

 private:
  // On its own thread. A write fails when the call is over; the reader finds out why.
  void WriteText() {
    StreamingSynthesizeRequest request;
    *request.mutable_config() = options_.config;
    request.mutable_config()->mutable_audio()->set_encoding(tts::v1::LINEAR16);
    bool open = stream_->Write(request);
    while (open) {
      absl::StatusOr<std::optional<std::string>> piece = source_->Next();
      if (!piece.ok()) {
        text_error_ = piece.status();
        context_->TryCancel();
        return;
      }
      if (!piece->has_value()) break;
      if (!text_sent_.load()) {
        first_text_ = Progress::Clock::now();
        text_sent_ = true;
      }
      request.set_text(**std::move(piece));
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
        return output_.Begin(started_.sample_rate_hz());
      case StreamingSynthesizeResponse::kAudio:
        return TakeAudio(response.audio().data());
      case StreamingSynthesizeResponse::kWarning:
        progress_.Note(absl::StrCat("shoal say: warning: ", response.warning().code(), ": ",
                                    response.warning().message()));
        break;
      case StreamingSynthesizeResponse::kDone:
        for (const tts::v1::TurnResult& turn : response.done().turns()) {
          frame_limit_ |= turn.finish_reason() == tts::v1::FINISH_MAX_FRAMES;
        }
        break;
      case StreamingSynthesizeResponse::kFlushed:
      case StreamingSynthesizeResponse::RESPONSE_NOT_SET:
        break;
    }
    return absl::OkStatus();
  }

  absl::Status TakeAudio(const std::string& data) {
    if (!output_.begun()) return absl::InternalError("the server sent audio before its format");
    if (text_sent_.load()) progress_.OnText(first_text_);
    progress_.OnAudio(Progress::Clock::now(), static_cast<double>(data.size()) / kBytesPerSample /
                                                  started_.sample_rate_hz());
    return output_.Append(data);
  }

  // Prints what went wrong, if anything, and returns the exit code.
  int Verdict(const grpc::Status& status) {
    if (signals_ != nullptr && signals_->requested()) {
      progress_.Note("shoal say: interrupted");
      return kInterrupted;
    }
    if (!text_error_.ok()) {
      progress_.Note(absl::StrCat("shoal say: ", text_error_.message()));
      return kBadUsage;
    }
    if (!local_error_.ok()) {
      progress_.Note(absl::StrCat("shoal say: ", local_error_.message()));
      return kRefused;
    }
    if (!status.ok()) {
      progress_.Clear();
      return PrintRefusal("say", options_.server, status, console_);
    }
    return kOk;
  }

  std::string LastWords() const {
    return absl::StrCat(frame_limit_ ? "frame limit reached, " : "", "seed ", started_.seed(),
                        " -> ", output_.name());
  }

  const SayOptions& options_;
  const Console& console_;
  service::Shutdown* const signals_;
  WavOutput output_;
  std::unique_ptr<tts::v1::TextToSpeechService::Stub> stub_;
  const std::shared_ptr<grpc::ClientContext> context_ = std::make_shared<grpc::ClientContext>();
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<TextSource> source_;
  Progress progress_;
  std::atomic<bool> text_sent_ = false;
  Progress::Clock::time_point first_text_;  // written before text_sent_, read after it
  tts::v1::Started started_;
  bool frame_limit_ = false;
  absl::Status text_error_;  // the writer's until it is joined
  absl::Status local_error_;
};

absl::StatusOr<WavOutput> OpenOutput(const std::string& path, const Console& console) {
  if (!path.empty() && path != "-") {
    absl::StatusOr<WavOutput> file = WavOutput::Create(path);
    if (file.ok()) return file;
    return absl::InvalidArgumentError(absl::StrCat("-o: ", file.status().message()));
  }
  const int fd = fileno(console.output);
  if (isatty(fd) != 0) {
    return absl::InvalidArgumentError(
        "-o: expected a file for the audio, or standard output to be no terminal");
  }
  return WavOutput::To(fd, "standard output");
}

}  // namespace

int Say(const SayOptions& options, const Console& console, service::Shutdown* signals) {
  auto channel = Connect(options.server);
  if (!channel.ok()) return Complain(console, kBadUsage, channel.status());
  absl::StatusOr<WavOutput> output = OpenOutput(options.output, console);
  if (!output.ok()) return Complain(console, kBadUsage, output.status());
  return Call(options, console, *std::move(channel), *std::move(output), signals).Run();
}

}  // namespace shoal::client
