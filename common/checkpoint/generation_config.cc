#include "common/checkpoint/generation_config.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/checkpoint/json_reader.h"

namespace shoal::checkpoint {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;
constexpr int64_t kMaxTopK = std::numeric_limits<uint32_t>::max();
constexpr int64_t kMaxFrames = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxRasWindow = 64;

// In the order of their enums.
constexpr absl::string_view kResiduals[] = {"sampled", "greedy"};
constexpr absl::string_view kFilterOrders[] = {"top_k_first", "full_softmax"};
constexpr absl::string_view kRules[] = {"off", "authors", "window"};

std::optional<int64_t> Whole(FieldReader& fields, absl::string_view key, int64_t low,
                             int64_t high) {
  if (!fields.Has(key)) return std::nullopt;
  return fields.Int(key, low, high);
}

// Rounding to float leaves no number that is in range outside of it.
std::optional<float> Number(FieldReader& fields, absl::string_view key, double low, double high) {
  if (!fields.Has(key)) return std::nullopt;
  return static_cast<float>(fields.Number(key, low, high));
}

// In (0, high]; a number that is 0 as a float is not.
std::optional<float> Positive(FieldReader& fields, absl::string_view key, double high) {
  const std::optional<float> value = Number(fields, key, 0, high);
  if (value && !(*value > 0)) {
    fields.Fail(key, absl::StrCat("a number above 0, to ", high, ", not ", *value));
  }
  return value;
}

template <typename Enum, size_t kCount>
std::optional<Enum> Choice(FieldReader& fields, absl::string_view key,
                           const absl::string_view (&names)[kCount]) {
  const std::optional<size_t> place = fields.Choice(key, names);
  return place ? std::optional<Enum>(static_cast<Enum>(*place)) : std::nullopt;
}

void ReadRas(FieldReader fields, GenerationConfig::RepetitionAwareSampling* ras) {
  fields.AllowOnly({"rule", "window", "temperature", "top_p"});
  ras->rule = Choice<GenerationConfig::RepetitionAwareSampling::Rule>(fields, "rule", kRules);
  ras->window = Whole(fields, "window", 1, kMaxRasWindow);
  ras->temperature = Positive(fields, "temperature", 10);
  ras->top_p = Positive(fields, "top_p", 1);
}

void ReadOwn(FieldReader fields, GenerationConfig* config) {
  fields.AllowOnly({"max_frames", "residual_sampling", "filter_order", "ras"});
  config->max_frames = Whole(fields, "max_frames", 1, kMaxFrames);
  config->residual_sampling =
      Choice<GenerationConfig::ResidualSampling>(fields, "residual_sampling", kResiduals);
  config->filter_order =
      Choice<GenerationConfig::FilterOrder>(fields, "filter_order", kFilterOrders);
  if (fields.Has("ras")) ReadRas(fields.Object("ras"), &config->ras);
}

template <typename Value>
void AppendTo(std::string* text, absl::string_view name, const std::optional<Value>& value) {
  if (value) absl::StrAppend(text, text->empty() ? "" : ", ", name, " ", *value);
}

template <typename Enum, size_t kCount>
void AppendTo(std::string* text, absl::string_view name, const std::optional<Enum>& value,
              const absl::string_view (&names)[kCount]) {
  if (value) {
    absl::StrAppend(text, text->empty() ? "" : ", ", name, " ", names[static_cast<size_t>(*value)]);
  }
}

}  // namespace

absl::StatusOr<GenerationConfig> ParseGenerationConfig(absl::string_view text,
                                                       const std::string& path) {
  const absl::StatusOr<nlohmann::json> json = ParseJson(text, path);
  if (!json.ok()) return json.status();
  absl::Status status;
  FieldReader fields(&*json, path, "", &status);
  GenerationConfig config;
  config.temperature = Number(fields, "temperature", 0, 10);
  config.top_p = Positive(fields, "top_p", 1);
  config.top_k = Whole(fields, "top_k", 0, kMaxTopK);
  config.repetition_penalty = Number(fields, "repetition_penalty", 0.1, 10);
  if (fields.Has("shoal")) ReadOwn(fields.Object("shoal"), &config);
  if (!status.ok()) return status;
  return config;
}

absl::StatusOr<GenerationConfig> LoadGenerationConfig(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/generation_config.json");
  const absl::StatusOr<std::string> text = ReadTextFile(path, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) return GenerationConfig();
  if (!text.ok()) return text.status();
  return ParseGenerationConfig(*text, path);
}

std::string ToString(const GenerationConfig& config) {
  std::string text;
  AppendTo(&text, "temperature", config.temperature);
  AppendTo(&text, "top_p", config.top_p);
  AppendTo(&text, "top_k", config.top_k);
  AppendTo(&text, "repetition_penalty", config.repetition_penalty);
  AppendTo(&text, "max_frames", config.max_frames);
  AppendTo(&text, "residual_sampling", config.residual_sampling, kResiduals);
  AppendTo(&text, "filter_order", config.filter_order, kFilterOrders);
  AppendTo(&text, "ras.rule", config.ras.rule, kRules);
  AppendTo(&text, "ras.window", config.ras.window);
  AppendTo(&text, "ras.temperature", config.ras.temperature);
  AppendTo(&text, "ras.top_p", config.ras.top_p);
  return text;
}

}  // namespace shoal::checkpoint
