#include "services/ar_engine/service/generate_check.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::engine {
namespace {

namespace v1 = pipeline::v1;

// Far beyond any use, and small enough that sums of them stay in range.
constexpr uint32_t kMaxCount = 1 << 20;
constexpr float kMaxTemperature = 100;
constexpr float kMaxPenalty = 100;
constexpr double kMaxFrameMs = 60000;
constexpr double kMaxMs = 1e12;  // decades

// A limit on frames that is beyond all frames is none; it need not fit.
int32_t FrameLimit(uint32_t frames) {
  return static_cast<int32_t>(std::min<uint32_t>(frames, kMaxCount));
}

absl::Status Wrong(absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("submit.generate.", field, ": ", why));
}

absl::Status CheckCount(uint32_t value, uint32_t lowest, absl::string_view field) {
  if (value >= lowest && value <= kMaxCount) return absl::OkStatus();
  return Wrong(field, absl::StrCat("expected ", lowest, " to ", kMaxCount, ", got ", value));
}

// A value that is not a number fails every comparison.
absl::Status CheckRange(double value, double lowest, double highest, absl::string_view field) {
  if (value >= lowest && value <= highest) return absl::OkStatus();
  return Wrong(field, absl::StrCat("expected ", lowest, " to ", highest, ", got ", value));
}

absl::Status ReadRas(const v1::Ras& ras, RasParams& params) {
  switch (ras.rule()) {
    case v1::Ras::OFF:
      params.rule = RasParams::Rule::kOff;
      return absl::OkStatus();
    case v1::Ras::AUTHORS:
      params.rule = RasParams::Rule::kAuthors;
      break;
    case v1::Ras::WINDOW:
      params.rule = RasParams::Rule::kWindow;
      break;
    default:
      return Wrong("sampling.ras.rule", absl::StrCat("unknown value ", ras.rule()));
  }
  absl::Status status = CheckCount(ras.window(), 1, "sampling.ras.window");
  status.Update(CheckRange(ras.temperature(), 0, kMaxTemperature, "sampling.ras.temperature"));
  status.Update(CheckRange(ras.top_p(), 0, 1, "sampling.ras.top_p"));
  params.window = static_cast<int>(ras.window());
  params.temperature = ras.temperature();
  params.top_p = ras.top_p();
  return status;
}

absl::Status ReadSampling(const v1::Sampling& sampling, Request& request) {
  SamplingParams& params = request.sampling;
  absl::Status status =
      CheckRange(sampling.temperature(), 0, kMaxTemperature, "sampling.temperature");
  status.Update(CheckRange(sampling.top_p(), 0, 1, "sampling.top_p"));
  if (sampling.top_k() > std::numeric_limits<int32_t>::max()) {
    status.Update(Wrong("sampling.top_k",
                        absl::StrCat("expected a number of 31 bits, got ", sampling.top_k())));
  }
  status.Update(CheckRange(sampling.repetition_penalty(), 1 / kMaxPenalty, kMaxPenalty,
                           "sampling.repetition_penalty"));
  status.Update(CheckCount(sampling.penalty_window(), 0, "sampling.penalty_window"));
  status.Update(CheckCount(sampling.max_frames(), 1, "sampling.max_frames"));
  if (!v1::FilterOrder_IsValid(sampling.filter_order())) {
    status.Update(
        Wrong("sampling.filter_order", absl::StrCat("unknown value ", sampling.filter_order())));
  }
  status.Update(ReadRas(sampling.ras(), params.ras));
  params.temperature = sampling.temperature();
  params.top_p = sampling.top_p();
  params.top_k = static_cast<int>(sampling.top_k());
  params.repetition_penalty = sampling.repetition_penalty();
  params.penalty_window = static_cast<int>(sampling.penalty_window());
  params.seed = sampling.seed();
  params.residual_greedy = sampling.residual_greedy();
  params.filter_order = sampling.filter_order() == v1::FULL_SOFTMAX ? FilterOrder::kFullSoftmax
                                                                    : FilterOrder::kTopKFirst;
  request.max_frames = static_cast<int32_t>(sampling.max_frames());
  return status;
}

// The codes of one position; `by_codebook` is (num_codebooks, length). Away from semantic positions
// codes mean nothing and become 0.
absl::Status ReadPosition(absl::Span<const int32_t> by_codebook, size_t position, size_t length,
                          const VocabularySizes& sizes, Request& request) {
  const int32_t token = request.token_ids[position];
  if (token < 0 || token >= sizes.vocab_size) {
    return Wrong("token_ids", absl::StrCat("expected ids from 0 to ", sizes.vocab_size - 1,
                                           ", got ", token, " at position ", position));
  }
  const int32_t semantic = token - sizes.semantic_start;
  const bool is_semantic = semantic >= 0 && semantic < sizes.n_semantic;
  for (int k = 0; k < sizes.num_codebooks; ++k) {
    const int32_t code = by_codebook[k * length + position];
    if (is_semantic && k == 0 && code != semantic) {
      return Wrong("codes", absl::StrCat("expected ", semantic, " in codebook 0 at position ",
                                         position, ", which holds token ", token, ", got ", code));
    }
    if (is_semantic && k > 0 && (code < 0 || code >= sizes.codebook_entries)) {
      return Wrong("codes",
                   absl::StrCat("expected codes from 0 to ", sizes.codebook_entries - 1, ", got ",
                                code, " in codebook ", k, " at position ", position));
    }
    request.codes.push_back(is_semantic ? code : 0);
  }
  if (!is_semantic && position >= static_cast<size_t>(request.prompt_length)) {
    return Wrong("token_ids",
                 absl::StrCat("expected a semantic token at position ", position,
                              ", beyond prompt_length ", request.prompt_length, ", got ", token));
  }
  return absl::OkStatus();
}

absl::Status ReadPrompt(const transport::Message& message, const v1::Generate& generate,
                        const VocabularySizes& sizes, Request& request) {
  absl::StatusOr<std::vector<int32_t>> tokens =
      transport::ReadInt32(message, generate.token_ids(), 1);
  if (!tokens.ok()) return Wrong("token_ids", tokens.status().message());
  const absl::StatusOr<std::vector<int32_t>> codes =
      transport::ReadInt32(message, generate.codes(), 2);
  if (!codes.ok()) return Wrong("codes", codes.status().message());
  const size_t length = tokens->size();
  if (length == 0 || length > kMaxCount) {
    return Wrong("token_ids", absl::StrCat("expected 1 to ", kMaxCount, " ids, got ", length));
  }
  if (generate.codes().shape(0) != static_cast<uint32_t>(sizes.num_codebooks) ||
      generate.codes().shape(1) != length) {
    return Wrong("codes",
                 absl::StrCat("expected shape (", sizes.num_codebooks, ", ", length, "), got (",
                              generate.codes().shape(0), ", ", generate.codes().shape(1), ")"));
  }
  if (generate.prompt_length() == 0 || generate.prompt_length() > length) {
    return Wrong("prompt_length",
                 absl::StrCat("expected 1 to ", length, ", got ", generate.prompt_length()));
  }
  request.prompt_length = static_cast<int32_t>(generate.prompt_length());
  request.token_ids = *std::move(tokens);
  request.codes.reserve(codes->size());
  for (size_t position = 0; position < length; ++position) {
    absl::Status status = ReadPosition(*codes, position, length, sizes, request);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// What the turn is scheduled by.
absl::Status ReadTiming(const v1::Submit& submit, Request& request) {
  const v1::Generate& generate = submit.generate();
  switch (submit.priority()) {
    case v1::PLAYBACK:
      request.priority = Priority::kPlayback;
      break;
    case v1::WHOLE_FILE:
      request.priority = Priority::kWholeFile;
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("submit.priority: unknown value ", submit.priority()));
  }
  absl::Status status = CheckRange(generate.frame_ms(), 0, kMaxFrameMs, "frame_ms");
  if (generate.frame_ms() == 0) status.Update(Wrong("frame_ms", "is not set"));
  status.Update(CheckRange(generate.buffered_ms(), 0, kMaxMs, "buffered_ms"));
  status.Update(CheckRange(generate.wait_limit_ms(), 0, kMaxMs, "wait_limit_ms"));
  if (generate.pinned_length() > generate.prompt_length()) {
    status.Update(Wrong("pinned_length", absl::StrCat("expected 0 to ", generate.prompt_length(),
                                                      ", got ", generate.pinned_length())));
  }
  request.frame_seconds = generate.frame_ms() / 1000;
  request.buffered_seconds = generate.buffered_ms() / 1000;
  request.wait_limit = generate.wait_limit_ms() / 1000;
  request.pinned_length = static_cast<int32_t>(generate.pinned_length());
  request.credit_frames = FrameLimit(generate.credit_frames());
  request.runaway_frames = FrameLimit(generate.runaway_frames());
  return status;
}

}  // namespace

ListenerNews ReadCredit(const v1::AudioCredit& credit) {
  return {.turn = credit.turn(),
          .attempt = credit.attempt(),
          .credit_frames = FrameLimit(credit.frames()),
          .buffered_seconds = credit.buffered_ms() / 1000,
          .next_frame = credit.next_frame()};
}

absl::StatusOr<Request> ReadGenerate(const transport::Message& message, uint64_t front,
                                     const VocabularySizes& sizes) {
  const v1::Submit& submit = message.envelope.submit();
  Request request;
  request.stream = {front, submit.stream().high(), submit.stream().low()};
  request.turn = submit.turn();
  request.attempt = submit.attempt();
  absl::Status status = ReadSampling(submit.generate().sampling(), request);
  status.Update(ReadPrompt(message, submit.generate(), sizes, request));
  status.Update(ReadTiming(submit, request));
  if (!status.ok()) return status;
  const size_t earlier = request.token_ids.size() - request.prompt_length;
  if (earlier >= static_cast<size_t>(request.max_frames)) {
    return Wrong("sampling.max_frames",
                 absl::StrCat("expected more than the ", earlier,
                              " frames of the earlier attempt, got ", request.max_frames));
  }
  return request;
}

}  // namespace shoal::engine
