#include "services/preprocess/front/whole_file_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audio/wav_file.h"
#include "services/preprocess/errors/errors.h"
#include "services/preprocess/front/request_parser.h"

namespace shoal::preprocess {
namespace {

// For everything in a SynthesizeResponse that is not audio.
constexpr int64_t kOtherFieldsBytes = 64 << 10;

}  // namespace

WholeFileCall::WholeFileCall(const SessionContext* context, SessionTable* sessions,
                             absl::Time deadline, const grpc::ByteBuffer& request,
                             grpc::ByteBuffer* response)
    : context_(context),
      sessions_(sessions),
      deadline_(deadline),
      wire_response_(response),
      parsed_(ParseRequest(request, &request_)) {
  context_->loop->Post([this] { Open(); });
}

void WholeFileCall::Open() {
  if (!parsed_.ok()) {
    context_->metrics->CountStream("refused", ReasonOf(parsed_));
    return Finish(parsed_);
  }
  absl::StatusOr<std::shared_ptr<Session>> session =
      sessions_->Open(Session::Kind::kWholeFile, this);
  if (!session.ok()) return Finish(session.status());
  session_ = *std::move(session);
  session_->Start();
}

void WholeFileCall::OnCancel() {
  context_->loop->Post([this] {
    if (session_ != nullptr) session_->OnClientGone();
  });
}

void WholeFileCall::OnDone() {
  context_->loop->Post([this] { delete this; });
}

void WholeFileCall::ReadNext() {
  tts::v1::StreamingSynthesizeRequest input;
  switch (next_) {
    case Input::kConfig:
      *input.mutable_config() = std::move(*request_.mutable_config());
      next_ = Input::kText;
      break;
    case Input::kText:
      input.set_text(std::move(*request_.mutable_text()));
      next_ = Input::kEnd;
      break;
    case Input::kEnd:
      next_ = Input::kNothing;
      context_->loop->Post([session = session_] { session->OnEndOfInput(); });
      return;
    case Input::kNothing:
      return;
  }
  context_->loop->Post([session = session_, input = std::move(input)]() mutable {
    session->OnRequest(std::move(input));
  });
}

void WholeFileCall::Write(tts::v1::StreamingSynthesizeResponse response) {
  Store(std::move(response));
  const auto bytes = static_cast<int64_t>(response_.audio().size());
  const int64_t limit = context_->options.max_synthesize_bytes - kOtherFieldsBytes;
  context_->loop->Post([session = session_, too_large = bytes > limit, limit] {
    if (!too_large) return session->OnWritten();
    session->Fail(
        WithReason(absl::ResourceExhaustedError(absl::StrCat("the audio is larger than ", limit,
                                                             " bytes; use StreamingSynthesize")),
                   reason::kResultTooLarge));
  });
}

void WholeFileCall::Store(tts::v1::StreamingSynthesizeResponse response) {
  if (response.has_started()) *response_.mutable_started() = std::move(*response.mutable_started());
  if (response.has_audio()) response_.mutable_audio()->append(response.audio().data());
  if (response.has_warning()) *response_.add_warnings() = std::move(*response.mutable_warning());
  if (response.has_done()) *response_.mutable_done() = std::move(*response.mutable_done());
}

void WholeFileCall::Finish(const absl::Status& status) {
  if (status.ok()) {
    if (response_.started().encoding() == tts::v1::WAV) {
      response_.mutable_audio()->insert(
          0, audio::WavHeader(response_.started().sample_rate_hz(), response_.audio().size()));
    }
    *wire_response_ = SerializeResponse(response_);
  }
  ServerUnaryReactor::Finish(ToGrpc(status));
}

}  // namespace shoal::preprocess
