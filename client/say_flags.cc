#include "client/say_flags.h"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace shoal::client {
namespace {

absl::Status NotANumber(absl::string_view flag, const std::string& text) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": \"", text, "\" is not a number that fits"));
}

// Calls set(value) when `text` is not empty.
template <typename Set>
absl::Status SetFloat(absl::string_view flag, const std::string& text, Set set) {
  float value;
  if (text.empty()) return absl::OkStatus();
  if (!absl::SimpleAtof(text, &value)) return NotANumber(flag, text);
  set(value);
  return absl::OkStatus();
}

template <typename Whole, typename Set>
absl::Status SetWhole(absl::string_view flag, const std::string& text, Set set) {
  Whole value;
  if (text.empty()) return absl::OkStatus();
  if (!absl::SimpleAtoi(text, &value)) return NotANumber(flag, text);
  set(value);
  return absl::OkStatus();
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
  return status;
}

absl::Status SetReference(const SayFlags& flags, tts::v1::SynthesisConfig* config) {
  if (flags.reference.empty()) {
    if (flags.transcript.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("--transcript: needs --reference, the recording of it");
  }
  std::ifstream file(flags.reference, std::ios::binary);
  std::string audio(std::istreambuf_iterator<char>(file), {});
  if (!file) {
    return absl::NotFoundError(absl::StrCat("--reference: cannot read ", flags.reference));
  }
  tts::v1::Reference& reference = *config->add_references();
  reference.set_audio(std::move(audio));
  reference.set_transcript(flags.transcript);
  return absl::OkStatus();
}

}  // namespace

void AddSayFlags(service::FlagSet& set, SayFlags* flags) {
  set.AllowPositional("[TEXT...]", &flags->words);
  set.Add("server", &flags->server, "host:port of the server");
  set.Add("output", &flags->output,
          "WAV file to write; none or -: raw 16-bit samples to the standard output");
  set.Short('o', "output");
  set.Add("reference", &flags->reference,
          "recording of the voice to speak in: WAV, FLAC, OGG, MP3");
  set.Add("transcript", &flags->transcript, "what is said in the recording");
  set.Add("seed", &flags->seed, "for the same audio again; none: the server draws one");
  set.Add("max-frames", &flags->max_frames, "most frames of audio a turn; none: the server's");
  set.Add("temperature", &flags->temperature, "0 to 10; none: the server's");
  set.Add("top-p", &flags->top_p, "above 0, to 1; none: the server's");
  set.Add("top-k", &flags->top_k, "0 = off; none: the server's");
  set.Add("repetition-penalty", &flags->repetition_penalty, "1 = off; none: the server's");
  set.Add("chunk-length", &flags->chunk_length,
          "UTF-8 bytes of a turn, 100 to 1000; 0: the server's");
  set.Add("sample-rate", &flags->sample_rate, "Hz, 8000 to 48000; 0: the model's");
  set.Add("request-id", &flags->request_id, "label of this request in the server's log");
}

absl::StatusOr<SayOptions> OptionsOf(const SayFlags& flags) {
  SayOptions options;
  options.server = flags.server;
  options.output = flags.output;
  if (!flags.words.empty()) options.text = absl::StrJoin(flags.words, " ");
  if (flags.chunk_length < 0) return NotANumber("chunk-length", absl::StrCat(flags.chunk_length));
  if (flags.sample_rate < 0) return NotANumber("sample-rate", absl::StrCat(flags.sample_rate));
  options.config.set_chunk_length(static_cast<uint32_t>(flags.chunk_length));
  options.config.mutable_audio()->set_sample_rate_hz(static_cast<uint32_t>(flags.sample_rate));
  options.config.set_request_id(flags.request_id);
  if (absl::Status status = SetSampling(flags, options.config.mutable_sampling()); !status.ok()) {
    return status;
  }
  if (absl::Status status = SetReference(flags, &options.config); !status.ok()) return status;
  return options;
}

}  // namespace shoal::client
