#include "services/preprocess/text/tokenizer_file.h"

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "services/preprocess/text/tokenizer_json.h"

namespace shoal::preprocess {
namespace {

using Json = nlohmann::json;
using Node = JsonNode;
using Reader = JsonReader;

void ReadAddedTokens(Reader& reader, const Node& node, TokenizerFile& file) {
  for (const Node& element : reader.Elements(node)) {
    reader.RefuseOtherKeys(
        element, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token;
    token.id = reader.TokenId(reader.Member(element, "id"));
    token.content = reader.String(reader.Member(element, "content"));
    token.single_word = reader.Bool(reader.Member(element, "single_word"));
    token.lstrip = reader.Bool(reader.Member(element, "lstrip"));
    token.rstrip = reader.Bool(reader.Member(element, "rstrip"));
    token.normalized = reader.Bool(reader.Member(element, "normalized"));
    token.special = reader.Bool(reader.Member(element, "special"));
    if (token.content.empty()) reader.Fail(reader.Member(element, "content"), "is empty");
    file.added_tokens.push_back(std::move(token));
  }
}

// Every id names one token, and an added token that the vocabulary has too has its id.
void CheckIds(Reader& reader, const TokenizerFile& file) {
  absl::flat_hash_map<int32_t, absl::string_view> owners;
  for (const auto& [entry, id] : file.vocabulary) {
    const auto [owner, inserted] = owners.try_emplace(id, entry);
    if (!inserted) {
      reader.Fail({nullptr, "model.vocab"}, absl::StrCat("id ", id, " is given to \"",
                                                         owner->second, "\" and \"", entry, "\""));
    }
  }
  absl::flat_hash_map<absl::string_view, int32_t> seen;
  for (size_t i = 0; i < file.added_tokens.size(); ++i) {
    const AddedToken& token = file.added_tokens[i];
    const Node node = {nullptr, absl::StrCat("added_tokens[", i, "]")};
    if (!seen.try_emplace(token.content, token.id).second) {
      reader.Fail(node, absl::StrCat("\"", token.content, "\" is listed twice"));
    }
    const auto entry = file.vocabulary.find(token.content);
    if (entry != file.vocabulary.end() && entry->second != token.id) {
      reader.Fail(node, absl::StrCat("\"", token.content, "\" has id ", entry->second,
                                     " in model.vocab, not ", token.id));
    }
    const auto [owner, inserted] = owners.try_emplace(token.id, token.content);
    if (!inserted && owner->second != token.content) {
      reader.Fail(node, absl::StrCat("id ", token.id, " is that of \"", owner->second, "\" too"));
    }
  }
}

void ReadNormalizer(Reader& reader, const Node& node, TokenizerFile& file) {
  if (node.value->is_null() || !reader.status().ok()) return;
  const Node type = reader.Member(node, "type");
  const std::string name = reader.String(type);
  if (name == "NFC") {
    reader.RefuseOtherKeys(node, {"type"});
    file.nfc = true;
  } else if (name == "Sequence") {
    reader.RefuseOtherKeys(node, {"type", "normalizers"});
    for (const Node& element : reader.Elements(reader.Member(node, "normalizers"))) {
      // One level is all that is written; nesting without end is not followed.
      if (*reader.Member(element, "type").value == "Sequence") {
        reader.Fail(element, "a Sequence inside a Sequence is not supported");
      }
      ReadNormalizer(reader, element, file);
    }
  } else {
    reader.Fail(type, absl::StrCat("unknown normalizer \"", name, "\", expected NFC or Sequence"));
  }
}

std::optional<Pattern> Accept(Reader& reader, const Node& node, absl::StatusOr<Pattern> pattern) {
  if (!reader.status().ok()) return std::nullopt;
  if (pattern.ok()) return *std::move(pattern);
  reader.Fail(node, pattern.status().message());
  return std::nullopt;
}

std::optional<PreTokenizer::Behavior> ReadBehavior(Reader& reader, const Node& node) {
  const std::string name = reader.String(node);
  if (name == "Removed") return PreTokenizer::Behavior::kRemoved;
  if (name == "Isolated") return PreTokenizer::Behavior::kIsolated;
  if (name == "MergedWithPrevious") return PreTokenizer::Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return PreTokenizer::Behavior::kMergedWithNext;
  if (name == "Contiguous") return PreTokenizer::Behavior::kContiguous;
  reader.Fail(node, absl::StrCat("unknown behavior \"", name, "\""));
  return std::nullopt;
}

void ReadSplit(Reader& reader, const Node& node, std::vector<PreTokenizer::Split>& splits) {
  reader.RefuseOtherKeys(node, {"type", "pattern", "behavior", "invert"});
  const Node pattern = reader.Member(node, "pattern");
  reader.RefuseOtherKeys(pattern, {"Regex", "String"});
  const Node regex = reader.Member(pattern, "Regex");
  const Node literal = reader.Member(pattern, "String");
  const bool is_literal = !literal.value->is_null();
  if (is_literal && !regex.value->is_null()) reader.Fail(pattern, "has both Regex and String");
  const Node& source = is_literal ? literal : regex;
  const std::string text = reader.String(source);
  const std::optional<PreTokenizer::Behavior> behavior =
      ReadBehavior(reader, reader.Member(node, "behavior"));
  const bool invert = reader.BoolOr(reader.Member(node, "invert"), false);
  std::optional<Pattern> compiled =
      Accept(reader, source, is_literal ? Pattern::Literal(text) : Pattern::Compile(text));
  if (!reader.status().ok()) return;
  splits.push_back({*std::move(compiled), *behavior, invert});
}

PreTokenizer::ByteLevel ReadByteLevel(Reader& reader, const Node& node) {
  // GPT-2's words, the same in every file.
  constexpr absl::string_view kPattern =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  reader.RefuseOtherKeys(node, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
  PreTokenizer::ByteLevel stage;
  stage.add_prefix_space = reader.Bool(reader.Member(node, "add_prefix_space"));
  const Node use_regex = reader.Member(node, "use_regex");
  if (reader.BoolOr(use_regex, true)) {
    stage.pattern = Accept(reader, use_regex, Pattern::Compile(kPattern));
  }
  return stage;
}

void ReadPreTokenizer(Reader& reader, const Node& node, TokenizerFile& file) {
  std::vector<Node> stages = {node};
  if (*reader.Member(node, "type").value == "Sequence") {
    reader.RefuseOtherKeys(node, {"type", "pretokenizers"});
    stages = reader.Elements(reader.Member(node, "pretokenizers"));
  }
  std::vector<PreTokenizer::Split> splits;
  for (size_t i = 0; i < stages.size() && reader.status().ok(); ++i) {
    const Node type = reader.Member(stages[i], "type");
    const std::string name = reader.String(type);
    const bool last = i + 1 == stages.size();
    if (name == "Split" && !last) {
      ReadSplit(reader, stages[i], splits);
    } else if (name == "ByteLevel" && last) {
      PreTokenizer::ByteLevel byte_level = ReadByteLevel(reader, stages[i]);
      if (!reader.status().ok()) return;
      file.pre_tokenizer.emplace(std::move(splits), std::move(byte_level));
    } else {
      reader.Fail(type, absl::StrCat("\"", name,
                                     "\" here is not supported, expected Split stages and a "
                                     "ByteLevel stage at the end"));
    }
  }
  if (!file.pre_tokenizer) reader.Fail(node, "has no ByteLevel stage");
}

void ReadMerges(Reader& reader, const Node& node, TokenizerFile& file) {
  if (!node.value->is_array()) return reader.Fail(node, "expected an array");
  file.merges.reserve(node.value->size());
  for (size_t i = 0; i < node.value->size() && reader.status().ok(); ++i) {
    const Json& merge = (*node.value)[i];
    const auto fail = [&] {
      reader.Fail({&merge, absl::StrCat(node.path, "[", i, "]")},
                  "expected two entries, as \"a b\" or [\"a\", \"b\"]");
    };
    if (merge.is_string()) {
      const std::vector<std::string> parts =
          absl::StrSplit(merge.get_ref<const std::string&>(), ' ');
      if (parts.size() != 2) return fail();
      file.merges.emplace_back(parts[0], parts[1]);
    } else {
      const bool pair =
          merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
      if (!pair) return fail();
      file.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    }
  }
}

void ReadModel(Reader& reader, const Node& node, TokenizerFile& file) {
  reader.RefuseOtherKeys(
      node, {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
             "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  const Node type = reader.Member(node, "type");
  const std::string name = reader.String(type);
  if (name != "BPE") reader.Fail(type, absl::StrCat("unknown model \"", name, "\", expected BPE"));
  reader.RequireUnset(reader.Member(node, "dropout"), 0.0);
  reader.RequireUnset(reader.Member(node, "unk_token"));
  reader.RequireUnset(reader.Member(node, "continuing_subword_prefix"), "");
  reader.RequireUnset(reader.Member(node, "end_of_word_suffix"), "");
  // Both speak of symbols that the vocabulary lacks; it has every byte.
  reader.BoolOr(reader.Member(node, "fuse_unk"), false);
  reader.BoolOr(reader.Member(node, "byte_fallback"), false);
  file.ignore_merges = reader.BoolOr(reader.Member(node, "ignore_merges"), false);
  const Node vocab = reader.Member(node, "vocab");
  if (!vocab.value->is_object()) return reader.Fail(vocab, "expected an object");
  file.vocabulary.reserve(vocab.value->size());
  for (const auto& item : vocab.value->items()) {
    const Node entry = {&item.value(), "model.vocab"};
    file.vocabulary.emplace(item.key(), reader.TokenId(entry));
  }
  ReadMerges(reader, reader.Member(node, "merges"), file);
}

// What runs after the ids are known must not change them.
void CheckRest(Reader& reader, const Node& root) {
  const Node version = reader.Member(root, "version");
  if (*version.value != "1.0") reader.Fail(version, "expected \"1.0\"");
  reader.RequireUnset(reader.Member(root, "truncation"));
  reader.RequireUnset(reader.Member(root, "padding"));
  for (const char* key : {"post_processor", "decoder"}) {
    const Node stage = reader.Member(root, key);
    if (stage.value->is_null()) continue;
    const Node type = reader.Member(stage, "type");
    if (*type.value != "ByteLevel") reader.Fail(type, "not supported, expected \"ByteLevel\"");
    reader.RefuseOtherKeys(stage, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
  }
}

}  // namespace

absl::StatusOr<TokenizerFile> ReadTokenizerFile(absl::string_view json) {
  Json parsed;
  try {
    parsed = Json::parse(json.begin(), json.end());
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not JSON: ", error.what()));
  }
  Reader reader;
  TokenizerFile file;
  const Node root = {&parsed, ""};
  reader.RefuseOtherKeys(root, {"version", "truncation", "padding", "added_tokens", "normalizer",
                                "pre_tokenizer", "post_processor", "decoder", "model"});
  CheckRest(reader, root);
  ReadAddedTokens(reader, reader.Member(root, "added_tokens"), file);
  ReadNormalizer(reader, reader.Member(root, "normalizer"), file);
  ReadPreTokenizer(reader, reader.Member(root, "pre_tokenizer"), file);
  ReadModel(reader, reader.Member(root, "model"), file);
  if (reader.status().ok()) CheckIds(reader, file);
  if (!reader.status().ok()) return reader.status();
  return file;
}

}  // namespace shoal::preprocess
