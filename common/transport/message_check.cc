#include "common/transport/message_check.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace shoal::transport {
namespace {

namespace v1 = pipeline::v1;

absl::Status Wrong(absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", why));
}

std::string TypeName(int dtype) {
  return v1::DType_IsValid(dtype) ? v1::DType_Name(static_cast<v1::DType>(dtype))
                                  : absl::StrCat("dtype ", dtype);
}

std::string ShapeText(absl::Span<const Dim> shape) {
  return absl::StrCat("(",
                      absl::StrJoin(shape, ", ",
                                    [](std::string* out, const Dim& dim) {
                                      if (dim.size < 0) {
                                        absl::StrAppend(out, dim.name);
                                      } else {
                                        absl::StrAppend(out, dim.size);
                                      }
                                    }),
                      ")");
}

// Collects the first thing that is wrong with one message, and which parts its tensors use.
class Checker {
 public:
  Checker(const Message& message, const ModelShape& model) : message_(message), model_(model) {}

  absl::Status Run() {
    CheckBody();
    if (status_.ok() && parts_used_ != message_.parts.size()) {
      Fail("parts",
           absl::StrCat("expected ", parts_used_, " for this body, got ", message_.parts.size()));
    }
    return status_;
  }

 private:
  void CheckBody() {
    const v1::Envelope& envelope = message_.envelope;
    switch (envelope.body_case()) {
      case v1::Envelope::kHello:
        return Check(envelope.hello(), "hello");
      case v1::Envelope::kHelloAck:
        return Check(envelope.hello_ack().self(), "hello_ack.self");
      case v1::Envelope::kSubmit:
        return Check(envelope.submit());
      case v1::Envelope::kFrame:
        return Check(envelope.frame());
      case v1::Envelope::kAudio:
        return Check(envelope.audio());
      case v1::Envelope::kEvent:
        return Check(envelope.event());
      case v1::Envelope::kCancel:
        return CheckStream(envelope.cancel(), "cancel.stream");
      case v1::Envelope::kResume:
        return CheckStream(envelope.resume(), "resume.stream");
      case v1::Envelope::kRedirect:
        CheckStream(envelope.redirect(), "redirect.stream");
        return Check(envelope.redirect().vocoder(), "redirect.vocoder");
      case v1::Envelope::kAck:
        return CheckStream(envelope.ack(), "ack.stream");
      case v1::Envelope::kResend:
        return CheckStream(envelope.resend(), "resend.stream");
      case v1::Envelope::kAudioCredit:
        CheckStream(envelope.audio_credit(), "audio_credit.stream");
        return CheckAmount(envelope.audio_credit().buffered_ms(), "audio_credit.buffered_ms");
      case v1::Envelope::kSlabReturn:
        return;
      case v1::Envelope::kHeartbeat:
        return CheckAmount(envelope.heartbeat().step_bound_seconds(),
                           "heartbeat.step_bound_seconds");
      case v1::Envelope::BODY_NOT_SET:
        return Fail("body", "the envelope has none that this process knows");
    }
  }

  void Check(const v1::Hello& hello, absl::string_view field) {
    if (hello.stage() == v1::STAGE_UNSPECIFIED || !v1::Stage_IsValid(hello.stage())) {
      Fail(absl::StrCat(field, ".stage"), "expected FRONT, ENGINE or VOCODER");
    }
    if (hello.inbox().empty()) Fail(absl::StrCat(field, ".inbox"), "is empty");
  }

  void Check(const v1::Peer& peer, absl::string_view field) {
    if (peer.inbox().empty()) Fail(absl::StrCat(field, ".inbox"), "is empty");
    if (peer.incarnation() == 0) Fail(absl::StrCat(field, ".incarnation"), "is not set");
  }

  void Check(const v1::Submit& submit) {
    CheckStream(submit, "submit.stream");
    if (submit.priority() == v1::PRIORITY_UNSPECIFIED || !v1::Priority_IsValid(submit.priority())) {
      Fail("submit.priority", "expected PLAYBACK or WHOLE_FILE");
    }
    if (submit.work_case() == v1::Submit::kGenerate) return Check(submit.generate());
    if (submit.work_case() != v1::Submit::kDecode) {
      return Fail("submit.work", "expected generate or decode");
    }
    if (submit.decode().has_replay()) Check(submit.decode().replay());
  }

  void Check(const v1::Replay& replay) {
    CheckTensor(replay.codes(), "submit.decode.replay.codes", v1::INT32, {{"n"}, Codebooks()});
    if (!status_.ok()) return;
    if (replay.position() < replay.codes().shape(0)) {
      Fail("submit.decode.replay.position",
           absl::StrCat("expected at least the ", replay.codes().shape(0), " frames of codes, got ",
                        replay.position()));
    }
    if (replay.position() < replay.frame()) {
      Fail("submit.decode.replay.position", absl::StrCat("expected at least frame ", replay.frame(),
                                                         " of the turn, got ", replay.position()));
    }
  }

  void Check(const v1::Generate& generate) {
    CheckTensor(generate.token_ids(), "submit.generate.token_ids", v1::INT32, {{"L"}});
    if (!status_.ok()) return;
    const int64_t length = generate.token_ids().shape(0);
    if (length == 0) Fail("submit.generate.token_ids", "the prompt is empty");
    CheckTensor(generate.codes(), "submit.generate.codes", v1::INT32, {Codebooks(), {"L", length}});
    if (generate.prompt_length() == 0 || generate.prompt_length() > length) {
      Fail("submit.generate.prompt_length",
           absl::StrCat("expected 1 to ", length, ", got ", generate.prompt_length()));
    }
    if (generate.pinned_length() > generate.prompt_length()) {
      Fail("submit.generate.pinned_length", absl::StrCat("expected 0 to ", generate.prompt_length(),
                                                         ", got ", generate.pinned_length()));
    }
    CheckAmount(generate.frame_ms(), "submit.generate.frame_ms");
    if (generate.frame_ms() == 0) Fail("submit.generate.frame_ms", "is not set");
    CheckAmount(generate.buffered_ms(), "submit.generate.buffered_ms");
    CheckAmount(generate.wait_limit_ms(), "submit.generate.wait_limit_ms");
    if (!generate.has_sampling()) Fail("submit.generate.sampling", "is not set");
    Check(generate.sampling());
    Check(generate.vocoder(), "submit.generate.vocoder");
  }

  void Check(const v1::Sampling& sampling) {
    CheckAmount(sampling.temperature(), "submit.generate.sampling.temperature");
    CheckAmount(sampling.top_p(), "submit.generate.sampling.top_p");
    CheckAmount(sampling.repetition_penalty(), "submit.generate.sampling.repetition_penalty");
    CheckAmount(sampling.ras().temperature(), "submit.generate.sampling.ras.temperature");
    CheckAmount(sampling.ras().top_p(), "submit.generate.sampling.ras.top_p");
    if (!v1::Ras::Rule_IsValid(sampling.ras().rule())) {
      Fail("submit.generate.sampling.ras.rule", "is not known");
    }
    if (!v1::FilterOrder_IsValid(sampling.filter_order())) {
      Fail("submit.generate.sampling.filter_order", "is not known");
    }
  }

  void Check(const v1::Frame& frame) {
    CheckStream(frame, "frame.stream");
    if (!frame.has_codes() && frame.last()) return;
    CheckTensor(frame.codes(), "frame.codes", v1::INT32, {{"n"}, Codebooks()});
    if (status_.ok()) CheckFrames(frame.frame(), frame.codes().shape(0), frame.last(), "frame");
  }

  void Check(const v1::Audio& audio) {
    CheckStream(audio, "audio.stream");
    if (!audio.has_pcm() && !audio.has_codes() && audio.last()) return;
    CheckTensor(audio.pcm(), "audio.pcm", v1::FLOAT32, {{"n * frame_length"}});
    CheckTensor(audio.codes(), "audio.codes", v1::INT32, {{"n"}, Codebooks()});
    if (!status_.ok()) return;
    const uint64_t frames = audio.codes().shape(0);
    CheckFrames(audio.frame(), frames, audio.last(), "audio");
    const uint64_t samples = audio.pcm().shape(0);
    if (model_.frame_length != 0 && samples != frames * model_.frame_length) {
      Fail("audio.pcm", absl::StrCat("expected ", frames * model_.frame_length, " samples for ",
                                     frames, " frames, got ", samples));
    }
    if (audio.first_sample() > std::numeric_limits<uint64_t>::max() - samples) {
      Fail("audio.first_sample", "first_sample + samples does not fit 64 bits");
    }
  }

  void CheckFrames(uint64_t first, uint64_t n, bool last, absl::string_view field) {
    if (n == 0 && !last) Fail(absl::StrCat(field, ".codes"), "no frames, and it is not the last");
    if (first + n > std::numeric_limits<uint32_t>::max()) {
      Fail(absl::StrCat(field, ".frame"), "frame + n does not fit 32 bits");
    }
  }

  void Check(const v1::Event& event) {
    CheckStream(event, "event.stream");
    if (event.kind_case() == v1::Event::KIND_NOT_SET) Fail("event.kind", "is not set");
    if (event.has_finished()) {
      const v1::Event::Finished& finished = event.finished();
      if (finished.reason() == v1::FINISH_REASON_UNSPECIFIED ||
          !v1::FinishReason_IsValid(finished.reason())) {
        Fail("event.finished.reason", "is not known");
      }
      CheckAmount(finished.queue_seconds(), "event.finished.queue_seconds");
      CheckAmount(finished.prefill_seconds(), "event.finished.prefill_seconds");
      CheckAmount(finished.decode_seconds(), "event.finished.decode_seconds");
    }
    if (event.has_failed()) {
      if (event.failed().code() <= 0 || event.failed().code() > 16) {
        Fail("event.failed.code", absl::StrCat("expected 1 to 16, got ", event.failed().code()));
      }
      CheckAmount(event.failed().retry_after_seconds(), "event.failed.retry_after_seconds");
    }
  }

  template <typename Body>
  void CheckStream(const Body& body, absl::string_view field) {
    if (body.stream().high() == 0 && body.stream().low() == 0) Fail(field, "is not set");
  }

  // Everything measured in these messages is finite and not negative.
  void CheckAmount(double value, absl::string_view field) {
    if (!std::isfinite(value) || value < 0) {
      Fail(field, absl::StrCat("expected a finite number >= 0, got ", value));
    }
  }

  void CheckTensor(const v1::Tensor& tensor, absl::string_view field, v1::DType dtype,
                   std::initializer_list<Dim> shape) {
    if (!status_.ok()) return;
    status_ = transport::CheckTensor(message_, tensor, field, dtype, shape);
    if (!status_.ok()) return;
    if (tensor.part() != parts_used_) {
      Fail(field, absl::StrCat("expected part ", parts_used_, ", got ", tensor.part()));
    }
    ++parts_used_;
  }

  Dim Codebooks() const {
    return {"num_codebooks",
            model_.num_codebooks == 0 ? -1 : static_cast<int64_t>(model_.num_codebooks)};
  }

  void Fail(absl::string_view field, absl::string_view why) { status_.Update(Wrong(field, why)); }

  const Message& message_;
  const ModelShape& model_;
  absl::Status status_;
  size_t parts_used_ = 0;
};

}  // namespace

absl::Status CheckTensor(const Message& message, const v1::Tensor& tensor, absl::string_view field,
                         v1::DType dtype, absl::Span<const Dim> shape) {
  bool fits = tensor.dtype() == dtype && tensor.shape_size() == static_cast<int>(shape.size()) &&
              tensor.shape_size() <= kMaxTensorRank;
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = shape[i].size < 0 || tensor.shape(static_cast<int>(i)) == shape[i].size;
  }
  if (!fits) {
    const std::string got = tensor.shape_size() <= kMaxTensorRank
                                ? absl::StrCat("(", absl::StrJoin(tensor.shape(), ", "), ")")
                                : absl::StrCat(tensor.shape_size(), " dimensions");
    return Wrong(field, absl::StrCat("expected shape ", ShapeText(shape), " ", TypeName(dtype),
                                     ", got ", got, " ", TypeName(tensor.dtype())));
  }
  if (tensor.place_case() == v1::Tensor::kSlab) {
    return Wrong(field, "is in shared memory, which these two have not agreed on");
  }
  if (tensor.place_case() != v1::Tensor::kPart || tensor.part() >= message.parts.size()) {
    return Wrong(field, "its bytes are in no part of this message");
  }
  const size_t part = message.parts[tensor.part()].size();
  if (!FillsShape(tensor, part)) {
    return Wrong(field, absl::StrCat("expected ", TypeName(dtype), " ", ShapeText(shape),
                                     " in its part, which has ", part, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckMessage(const Message& message, const ModelShape& model) {
  return Checker(message, model).Run();
}

}  // namespace shoal::transport
