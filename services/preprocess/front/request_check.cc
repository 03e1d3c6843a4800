#include "services/preprocess/front/request_check.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_model.pb.h"
#include "services/preprocess/errors/errors.h"
#include "services/preprocess/text/text_splitter.h"

namespace shoal::preprocess {
namespace {

using tts::v1::RepetitionAwareSampling;

constexpr uint32_t kMinSampleRate = 8000, kMaxSampleRate = 48000;

constexpr size_t kMaxRequestIdBytes = 128;
constexpr uint32_t kPenaltyWindow = 16;
constexpr uint32_t kMaxRasWindow = 64;

// Collects what is wrong with a request.
class Violations {
 public:
  void Add(absl::string_view field, absl::string_view description) {
    if (first_.empty()) first_ = absl::StrCat(field, ": ", description);
    google::rpc::BadRequest::FieldViolation& violation = *details_.add_field_violations();
    violation.set_field(std::string(field));
    violation.set_description(std::string(description));
  }

  // A number in [low, high], or in (low, high] if `open`. NaN is in none.
  float InRange(absl::string_view field, float value, float low, float high, bool open = false) {
    const bool above = open ? value > low : value >= low;
    if (!(above && value <= high)) {
      Add(field, absl::StrCat(value, " is out of range; expected a number in ", open ? "(" : "[",
                              low, ", ", high, "]"));
    }
    return value;
  }

  absl::Status status() const {
    if (details_.field_violations().empty()) return absl::OkStatus();
    const int others = details_.field_violations_size() - 1;
    absl::Status status =
        WithReason(absl::InvalidArgumentError(
                       others == 0 ? first_ : absl::StrCat(first_, " (and ", others, " more)")),
                   reason::kInvalidField);
    status.SetPayload(absl::StrCat("type.googleapis.com/", details_.GetTypeName()),
                      absl::Cord(details_.SerializeAsString()));
    return status;
  }

 private:
  std::string first_;
  google::rpc::BadRequest details_;
};

void CheckAudio(const tts::v1::AudioConfig& audio, const RequestContext& context,
                SessionConfig* out, Violations* violations) {
  switch (audio.encoding()) {
    case tts::v1::AUDIO_ENCODING_UNSPECIFIED:
      out->encoding = tts::v1::LINEAR16;
      break;
    case tts::v1::LINEAR16:
    case tts::v1::FLOAT32:
    case tts::v1::WAV:
      out->encoding = audio.encoding();
      break;
    default:
      violations->Add("config.audio.encoding",
                      absl::StrCat("unknown encoding ", static_cast<int>(audio.encoding()),
                                   "; expected LINEAR16 (1), FLOAT32 (2) or WAV (3)"));
  }
  const uint32_t rate = audio.sample_rate_hz();
  out->sample_rate_hz = rate == 0 ? context.codec_sample_rate : rate;
  if (rate != 0 && (rate < kMinSampleRate || rate > kMaxSampleRate)) {
    violations->Add("config.audio.sample_rate_hz",
                    absl::StrCat(rate, " Hz is out of range; expected ", kMinSampleRate, " to ",
                                 kMaxSampleRate, ", or 0 for the codec's own rate"));
  }
}

void CheckRas(const RepetitionAwareSampling& ras, pipeline::v1::Ras* out, Violations* violations) {
  constexpr char kField[] = "config.sampling.ras.";
  switch (ras.rule()) {
    case RepetitionAwareSampling::OFF:
      out->set_rule(pipeline::v1::Ras::OFF);
      break;
    case RepetitionAwareSampling::AUTHORS:
      out->set_rule(pipeline::v1::Ras::AUTHORS);
      break;
    case RepetitionAwareSampling::WINDOW:
      out->set_rule(pipeline::v1::Ras::WINDOW);
      break;
    default:
      violations->Add(absl::StrCat(kField, "rule"),
                      absl::StrCat("unknown rule ", static_cast<int>(ras.rule()),
                                   "; expected OFF (1), AUTHORS (2) or WINDOW (3)"));
  }
  out->set_window(ras.window());
  if (ras.window() < 1 || ras.window() > kMaxRasWindow) {
    violations->Add(absl::StrCat(kField, "window"), absl::StrCat(ras.window(),
                                                                 " is out of range; "
                                                                 "expected 1 to ",
                                                                 kMaxRasWindow));
  }
  out->set_temperature(
      violations->InRange(absl::StrCat(kField, "temperature"), ras.temperature(), 0, 10, true));
  out->set_top_p(violations->InRange(absl::StrCat(kField, "top_p"), ras.top_p(), 0, 1, true));
}

void CheckChoices(const tts::v1::SamplingConfig& sampling, pipeline::v1::Sampling* out,
                  Violations* violations) {
  switch (sampling.residual_sampling()) {
    case tts::v1::RESIDUAL_GREEDY:
    case tts::v1::RESIDUAL_SAMPLED:
      out->set_residual_greedy(sampling.residual_sampling() == tts::v1::RESIDUAL_GREEDY);
      break;
    default:
      violations->Add("config.sampling.residual_sampling",
                      absl::StrCat("unknown value ", static_cast<int>(sampling.residual_sampling()),
                                   "; expected RESIDUAL_GREEDY (1) or RESIDUAL_SAMPLED (2)"));
  }
  switch (sampling.filter_order()) {
    case tts::v1::FILTER_TOP_K_FIRST:
      out->set_filter_order(pipeline::v1::TOP_K_FIRST);
      break;
    case tts::v1::FILTER_FULL_SOFTMAX:
      out->set_filter_order(pipeline::v1::FULL_SOFTMAX);
      break;
    default:
      violations->Add("config.sampling.filter_order",
                      absl::StrCat("unknown value ", static_cast<int>(sampling.filter_order()),
                                   "; expected FILTER_TOP_K_FIRST (1) or FILTER_FULL_SOFTMAX (2)"));
  }
}

// The defaults are in range, so that what is found wrong was asked for.
void CheckSampling(const tts::v1::SamplingConfig& asked, const RequestContext& context,
                   SessionConfig* out, Violations* violations) {
  const tts::v1::SamplingConfig sampling = FillSampling(asked, context.sampling);
  pipeline::v1::Sampling& resolved = out->sampling;
  resolved.set_temperature(
      violations->InRange("config.sampling.temperature", sampling.temperature(), 0, 10));
  resolved.set_top_p(violations->InRange("config.sampling.top_p", sampling.top_p(), 0, 1, true));
  constexpr uint32_t kMaxTopK = std::numeric_limits<int32_t>::max();
  resolved.set_top_k(std::min(sampling.top_k(), kMaxTopK));
  resolved.set_repetition_penalty(violations->InRange("config.sampling.repetition_penalty",
                                                      sampling.repetition_penalty(), 0.1f, 10));
  resolved.set_penalty_window(kPenaltyWindow);
  CheckRas(sampling.ras(), resolved.mutable_ras(), violations);
  CheckChoices(sampling, &resolved, violations);
  if (asked.has_seed()) out->seed = asked.seed();
  if (asked.has_max_frames()) {
    out->max_frames = asked.max_frames();
    if (asked.max_frames() < 1 || asked.max_frames() >= context.max_seq_len) {
      violations->Add("config.sampling.max_frames",
                      absl::StrCat(asked.max_frames(), " is out of range; expected 1 to ",
                                   context.max_seq_len - 1, ", what the model's context holds"));
    }
  }
}

void CheckReferences(tts::v1::SynthesisConfig* config, const RequestLimits& limits,
                     SessionConfig* out, Violations* violations) {
  if (config->references_size() > limits.max_references) {
    violations->Add("config.references",
                    absl::StrCat(config->references_size(), " references; expected at most ",
                                 limits.max_references));
    return;
  }
  for (int i = 0; i < config->references_size(); ++i) {
    tts::v1::Reference& reference = *config->mutable_references(i);
    const std::string field = absl::StrCat("config.references[", i, "]");
    const auto bytes = static_cast<int64_t>(reference.audio().size());
    if (bytes == 0) {
      violations->Add(absl::StrCat(field, ".audio"),
                      "the recording is empty: expected a WAV, FLAC, OGG or MP3 file");
    }
    if (bytes > limits.max_reference_bytes) {
      violations->Add(absl::StrCat(field, ".audio"),
                      absl::StrCat("the recording has ", bytes, " bytes; the limit is ",
                                   limits.max_reference_bytes));
    }
    const auto transcript_bytes = static_cast<int64_t>(reference.transcript().size());
    if (transcript_bytes > limits.max_transcript_bytes) {
      violations->Add(absl::StrCat(field, ".transcript"),
                      absl::StrCat("the transcript has ", transcript_bytes, " bytes; the limit is ",
                                   limits.max_transcript_bytes));
    }
    out->references.push_back(
        {std::move(*reference.mutable_audio()), std::move(*reference.mutable_transcript())});
  }
}

}  // namespace

absl::StatusOr<SessionConfig> CheckConfig(tts::v1::SynthesisConfig config,
                                          const RequestContext& context) {
  SessionConfig out;
  Violations violations;
  CheckReferences(&config, context.limits, &out, &violations);
  CheckAudio(config.audio(), context, &out, &violations);
  CheckSampling(config.sampling(), context, &out, &violations);

  out.chunk_length =
      config.chunk_length() == 0 ? TextSplitter::kDefaultChunkLength : config.chunk_length();
  if (out.chunk_length < TextSplitter::kMinChunkLength ||
      out.chunk_length > TextSplitter::kMaxChunkLength) {
    violations.Add(
        "config.chunk_length",
        absl::StrCat(out.chunk_length, " is out of range; expected ", TextSplitter::kMinChunkLength,
                     " to ", TextSplitter::kMaxChunkLength, ", or 0 for the default of ",
                     TextSplitter::kDefaultChunkLength));
  }
  out.request_id = config.request_id();
  const bool printable = std::all_of(out.request_id.begin(), out.request_id.end(),
                                     [](char c) { return c >= 0x20 && c <= 0x7e; });
  if (!printable || out.request_id.size() > kMaxRequestIdBytes) {
    violations.Add("config.request_id", absl::StrCat("expected at most ", kMaxRequestIdBytes,
                                                     " bytes of printable ASCII"));
  }
  if (absl::Status status = violations.status(); !status.ok()) return status;
  return out;
}

}  // namespace shoal::preprocess
