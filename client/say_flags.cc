#include "client/say_flags.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/utf8_pieces.h"

namespace shoal::client {
namespace {

absl::Status NotA(absl::string_view expected, absl::string_view flag, const std::string& text) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": expected ", expected, ", got \"", text, "\""));
}

// Calls set(value) when `text` is not empty.
template <typename Set>
absl::Status SetFloat(absl::string_view flag, const std::string& text, Set set) {
  float value;
  if (text.empty()) return absl::OkStatus();
  if (!absl::SimpleAtof(text, &value)) return NotA("a number", flag, text);
  set(value);
  return absl::OkStatus();
}

template <typename Whole, typename Set>
absl::Status SetWhole(absl::string_view flag, const std::string& text, Set set) {
  Whole value;
  if (text.empty()) return absl::OkStatus();
  if (!absl::SimpleAtoi(text, &value)) {
    return NotA(absl::StrCat("a whole number >= 0 of ", 8 * sizeof(Whole), " bits"), flag, text);
  }
  set(value);
  return absl::OkStatus();
}

template <typename Value>
struct Choice {
  const char* name;
  Value value;
};
constexpr Choice<tts::v1::ResidualSampling> kResiduals[] = {{"sampled", tts::v1::RESIDUAL_SAMPLED},
                                                            {"greedy", tts::v1::RESIDUAL_GREEDY}};
constexpr Choice<tts::v1::FilterOrder> kFilterOrders[] = {
    {"top-k-first", tts::v1::FILTER_TOP_K_FIRST}, {"full-softmax", tts::v1::FILTER_FULL_SOFTMAX}};
constexpr Choice<tts::v1::RepetitionAwareSampling::Rule> kRules[] = {
    {"off", tts::v1::RepetitionAwareSampling::OFF},
    {"authors", tts::v1::RepetitionAwareSampling::AUTHORS},
    {"window", tts::v1::RepetitionAwareSampling::WINDOW}};

template <typename Choices>
std::vector<std::string> Names(const Choices& choices) {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.name);
  return names;
}

template <typename Choices, typename Set>
absl::Status SetChoice(absl::string_view flag, const std::string& text, const Choices& choices,
                       Set set) {
  if (text.empty()) return absl::OkStatus();
  for (const auto& choice : choices) {
    if (text != choice.name) continue;
    set(choice.value);
    return absl::OkStatus();
  }
  return NotA(absl::StrCat("one of ", absl::StrJoin(Names(choices), ", ")), flag, text);
}

absl::Status SetRas(const SayFlags& flags, tts::v1::RepetitionAwareSampling* ras) {
  absl::Status status =
      SetChoice("ras", flags.ras, kRules, [&](auto rule) { ras->set_rule(rule); });
  status.Update(
      SetWhole<uint32_t>("ras-window", flags.ras_window, [&](auto v) { ras->set_window(v); }));
  status.Update(SetFloat("ras-temperature", flags.ras_temperature,
                         [&](float v) { ras->set_temperature(v); }));
  status.Update(SetFloat("ras-top-p", flags.ras_top_p, [&](float v) { ras->set_top_p(v); }));
  return status;
}

absl::Status SetSampling(const SayFlags& flags, tts::v1::SamplingConfig* sampling) {
  absl::Status status;
  status.Update(SetWhole<uint64_t>("seed", flags.seed, [&](auto v) { sampling->set_seed(v); }));
  status.Update(SetWhole<uint32_t>("max-frames", flags.max_frames,
                                   [&](auto v) { sampling->set_max_frames(v); }));
  status.Update(SetWhole<uint32_t>("top-k", flags.top_k, [&](auto v) { sampling->set_top_k(v); }));
  status.Update(
      SetFloat("temperature", flags.temperature, [&](float v) { sampling->set_temperature(v); }));
  status.Update(SetFloat("top-p", flags.top_p, [&](float v) { sampling->set_top_p(v); }));
  status.Update(SetFloat("repetition-penalty", flags.repetition_penalty,
                         [&](float v) { sampling->set_repetition_penalty(v); }));
  status.Update(SetChoice("residual-sampling", flags.residual_sampling, kResiduals,
                          [&](auto v) { sampling->set_residual_sampling(v); }));
  status.Update(SetChoice("filter-order", flags.filter_order, kFilterOrders,
                          [&](auto v) { sampling->set_filter_order(v); }));
  status.Update(SetRas(flags, sampling->mutable_ras()));
  return status;
}

absl::StatusOr<std::string> ReadRecording(const std::string& path) {
  const auto cannot = [&path] {
    return absl::ErrnoToStatus(errno, absl::StrCat("--reference: cannot read ", path));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (file == nullptr) return cannot();
  std::string bytes;
  char block[64 << 10];
  while (const size_t count = std::fread(block, 1, sizeof(block), file.get())) {
    bytes.append(block, count);
  }
  if (std::ferror(file.get()) != 0) return cannot();
  return bytes;
}

absl::Status SetReferences(const SayFlags& flags, tts::v1::SynthesisConfig* config) {
  std::vector<RecordingArgument> arguments = flags.recordings;
  if (arguments.empty()) {
    if (!flags.reference.empty()) arguments.push_back({false, flags.reference});
    if (!flags.transcript.empty()) arguments.push_back({true, flags.transcript});
  }
  const absl::StatusOr<std::vector<Recording>> recordings = PairRecordings(arguments);
  if (!recordings.ok()) return recordings.status();
  for (const Recording& recording : *recordings) {
    if (const absl::Status status = CheckUtf8(recording.transcript); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--transcript: ", status.message()));
    }
    absl::StatusOr<std::string> audio = ReadRecording(recording.path);
    if (!audio.ok()) return audio.status();
    tts::v1::Reference& reference = *config->add_references();
    reference.set_audio(*std::move(audio));
    reference.set_transcript(recording.transcript);
  }
  return absl::OkStatus();
}

void AddSamplingFlags(service::FlagSet& set, SayFlags* flags) {
  set.Add("seed", &flags->seed, "for the same audio again; none: the server draws one");
  set.Add("max-frames", &flags->max_frames, "most frames of audio a turn; none: the server's");
  set.Add("temperature", &flags->temperature, "0 to 10; none: the server's");
  set.Add("top-p", &flags->top_p, "above 0, to 1; none: the server's");
  set.Add("top-k", &flags->top_k, "0 = off; none: the server's");
  set.Add("repetition-penalty", &flags->repetition_penalty, "1 = off; none: the server's");
  set.AddChoice("residual-sampling", &flags->residual_sampling, Names(kResiduals),
                "how all codebooks but the first are drawn; none: the server's");
  set.AddChoice("filter-order", &flags->filter_order, Names(kFilterOrders),
                "what top-p counts: what top-k has left, or all; none: the server's");
  set.AddChoice("ras", &flags->ras, Names(kRules),
                "what happens when a sound repeats: nothing, a second and hotter draw, or a hotter "
                "draw after a window that holds one twice; none: the server's");
  set.Add("ras-window", &flags->ras_window, "frames looked at, 1 to 64; none: the rule's");
  set.Add("ras-temperature", &flags->ras_temperature,
          "of the hotter draw, above 0, to 10; none: the rule's");
  set.Add("ras-top-p", &flags->ras_top_p, "of the hotter draw, above 0, to 1; none: the rule's");
}

}  // namespace

void AddSayFlags(service::FlagSet& set, SayFlags* flags) {
  set.AllowPositional("[TEXT...]", &flags->words);
  set.Add("server", &flags->server, "host:port of the server");
  set.Add("output", &flags->output,
          "WAV file to write; none or -: the standard output, unless that is a terminal");
  set.Short('o', "output");
  set.Add("reference", &flags->reference,
          "recording of the voice to speak in: WAV, FLAC, OGG, MP3; may be repeated");
  set.Add("transcript", &flags->transcript,
          "what is said in the --reference beside it; none: unknown");
  AddSamplingFlags(set, flags);
  set.Add("chunk-length", &flags->chunk_length,
          "UTF-8 bytes of a turn, 100 to 1000; none: the server's");
  set.Add("sample-rate", &flags->sample_rate, "Hz, 8000 to 48000; none: the model's");
  set.Add("request-id", &flags->request_id, "label of this request in the server's log");
}

absl::StatusOr<SayOptions> OptionsOf(const SayFlags& flags) {
  SayOptions options;
  options.server = flags.server;
  options.output = flags.output;
  if (!flags.words.empty()) {
    options.text = absl::StrJoin(flags.words, " ");
    if (absl::Status status = CheckUtf8(*options.text); !status.ok()) return status;
  }
  if (absl::Status status = CheckUtf8(flags.request_id); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--request-id: ", status.message()));
  }
  options.config.set_request_id(flags.request_id);
  absl::Status shape = SetWhole<uint32_t>("chunk-length", flags.chunk_length,
                                          [&](auto v) { options.config.set_chunk_length(v); });
  shape.Update(SetWhole<uint32_t>("sample-rate", flags.sample_rate, [&](auto v) {
    options.config.mutable_audio()->set_sample_rate_hz(v);
  }));
  if (!shape.ok()) return shape;
  if (absl::Status status = SetSampling(flags, options.config.mutable_sampling()); !status.ok()) {
    return status;
  }
  if (absl::Status status = SetReferences(flags, &options.config); !status.ok()) return status;
  return options;
}

}  // namespace shoal::client
