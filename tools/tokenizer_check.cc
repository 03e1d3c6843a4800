#include "tools/tokenizer_check.h"

#include <cstdint>
#include <map>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/checkpoint/json_reader.h"

namespace shoal::tools {
namespace {

constexpr int64_t kMaxTokenizerBytes = 256 << 20;

using Ids = std::map<std::string, int64_t>;

absl::StatusOr<Ids> ReadAddedTokens(const nlohmann::json& json, int64_t vocab_size) {
  if (!json.is_object() || !json.contains("added_tokens") || !json["added_tokens"].is_array()) {
    return absl::InvalidArgumentError("expected an object with a list of added_tokens");
  }
  Ids ids;
  for (const nlohmann::json& token : json["added_tokens"]) {
    if (!token.is_object() || !token.contains("content") || !token["content"].is_string() ||
        !token.contains("id") || !token["id"].is_number_unsigned()) {
      return absl::InvalidArgumentError("every one of added_tokens should have content and id");
    }
    const std::string content = token["content"].get<std::string>();
    const uint64_t id = token["id"].get<uint64_t>();
    if (id >= static_cast<uint64_t>(vocab_size)) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", content, " has id ", id,
                       ", but text_config.vocab_size in config.json is ", vocab_size));
    }
    if (!ids.emplace(content, static_cast<int64_t>(id)).second) {
      return absl::InvalidArgumentError(absl::StrCat("token ", content, " is added twice"));
    }
  }
  return ids;
}

// Ids of the vocabulary proper have rows in the embedding too.
absl::Status CheckVocabulary(const nlohmann::json& json, int64_t vocab_size) {
  if (!json.contains("model") || !json["model"].is_object() || !json["model"].contains("vocab") ||
      !json["model"]["vocab"].is_object()) {
    return absl::InvalidArgumentError("expected model.vocab to be an object");
  }
  for (const auto& [text, id] : json["model"]["vocab"].items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(vocab_size)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the id of \"", text, "\" in model.vocab should be a whole number below ",
                       "text_config.vocab_size ", vocab_size));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckId(const Ids& ids, const std::string& token, int64_t expected,
                     const std::string& because) {
  const auto found = ids.find(token);
  if (found == ids.end()) {
    return absl::InvalidArgumentError(absl::StrCat("token ", token, " is missing"));
  }
  if (expected >= 0 && found->second != expected) {
    return absl::InvalidArgumentError(absl::StrCat("token ", token, " has id ", found->second,
                                                   ", expected ", expected, " (", because, ")"));
  }
  return absl::OkStatus();
}

absl::Status CheckIds(const Ids& ids, const checkpoint::ModelConfig& config) {
  absl::Status status = CheckId(ids, "<|im_end|>", config.eos_token_id, "eos_token_id");
  status.Update(CheckId(ids, "<|pad|>", config.pad_token_id, "pad_token_id"));
  status.Update(CheckId(ids, "<|audio_pad|>", config.audio_pad_token_id, "audio_pad_token_id"));
  for (const char* token : {"<|im_start|>", "<|voice|>", "<|phoneme_start|>", "<|phoneme_end|>"}) {
    status.Update(CheckId(ids, token, -1, ""));
  }
  for (int64_t i = 0; status.ok() && i < config.n_semantic(); ++i) {
    status.Update(CheckId(ids, absl::StrCat("<|semantic:", i, "|>"), config.semantic_start + i,
                          "semantic_start_token_id"));
  }
  return status;
}

}  // namespace

absl::Status CheckTokenizer(const std::string& directory, const checkpoint::ModelConfig& config) {
  const std::string path = absl::StrCat(directory, "/tokenizer.json");
  absl::StatusOr<std::string> text = checkpoint::ReadTextFile(path, kMaxTokenizerBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<nlohmann::json> json = checkpoint::ParseJson(*text, path);
  if (!json.ok()) return json.status();
  absl::StatusOr<Ids> ids = ReadAddedTokens(*json, config.text.vocab_size);
  absl::Status status = ids.status();
  if (status.ok()) status = CheckVocabulary(*json, config.text.vocab_size);
  if (status.ok()) status = CheckIds(*ids, config);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
}

}  // namespace shoal::tools
