#include "tools/tiny_tokenizer.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace shoal::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kSplitRegex[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

struct AddedToken {
  const char* text;
  bool special;
};
// S2 Pro's, in its order; the semantic tokens follow.
constexpr AddedToken kAdded[] = {
    {"<|endoftext|>", true},   {"<|im_start|>", true},    {"<|im_end|>", true},
    {"<tool_call>", false},    {"</tool_call>", false},   {"<think>", false},
    {"</think>", false},       {"<|pad|>", true},         {"<|phoneme_start|>", true},
    {"<|phoneme_end|>", true}, {"<|text|>", true},        {"<|voice|>", true},
    {"<|interleave|>", true},  {"<|audio_start|>", true}, {"<|audio_end|>", true},
    {"<|audio_pad|>", true},
};

// Common pieces of English, of the words that every prompt holds, and of two-byte scripts, each
// made of two that come before it. "_" stands for a space.
constexpr std::pair<const char*, const char*> kMerges[] = {
    {"_", "t"},   {"h", "e"}, {"i", "n"},  {"_", "a"},  {"e", "r"},   {"o", "n"}, {"r", "e"},
    {"_t", "he"}, {"_", "s"}, {"a", "t"},  {"_", "w"},  {"e", "n"},   {"o", "u"}, {"_", "o"},
    {"i", "s"},   {"e", "s"}, {"n", "d"},  {"in", "g"}, {"_a", "nd"}, {"o", "r"}, {"_t", "o"},
    {"e", "d"},   {"_", "c"}, {"_", "p"},  {"a", "l"},  {"_", "f"},   {"u", "s"}, {"s", "e"},
    {"us", "er"}, {"p", "e"}, {"e", "ch"}, {"t", "e"},  {"e", "x"},   {"c", "h"},
};

std::string Utf8(uint32_t code_point) {  // below 0x800
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xc0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 0x3f))};
}

bool PrintsAsItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

// The byte-level alphabet in the order of its ids: printable bytes stand for themselves, the others
// are moved to U+0100 and on.
std::vector<std::string> ByteAlphabet() {
  std::vector<std::string> alphabet;
  for (int byte = 0; byte < 256; ++byte) {
    if (PrintsAsItself(byte)) alphabet.push_back(Utf8(static_cast<uint32_t>(byte)));
  }
  for (uint32_t moved = 0; alphabet.size() < 256; ++moved) alphabet.push_back(Utf8(0x100 + moved));
  return alphabet;
}

// A piece in the byte-level alphabet: a space is the 33rd byte that does not print.
std::string Piece(const std::string& text) {
  return text[0] == '_' ? Utf8(0x120) + text.substr(1) : text;
}

struct Vocabulary {
  std::vector<std::string> tokens;  // in the order of their ids
  std::vector<std::pair<std::string, std::string>> merges;
};

Vocabulary MakeVocabulary() {
  Vocabulary vocabulary{ByteAlphabet(), {}};
  std::set<std::string> known(vocabulary.tokens.begin(), vocabulary.tokens.end());
  for (const auto& [left, right] : kMerges) {
    const std::string a = Piece(left);
    const std::string b = Piece(right);
    if (known.count(a) == 0 || known.count(b) == 0 || !known.insert(a + b).second) continue;
    vocabulary.tokens.push_back(a + b);
    vocabulary.merges.emplace_back(a, b);
  }
  return vocabulary;
}

Json Added(int64_t id, const std::string& text, bool special) {
  return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

int64_t IdOf(const std::string& text) {
  int64_t id = static_cast<int64_t>(MakeVocabulary().tokens.size());
  for (const AddedToken& token : kAdded) {
    if (text == token.text) break;
    ++id;
  }
  return id;
}

}  // namespace

TinyTokenIds TinyTokens() {
  // A text that is not among the added ones gets the id behind them: the first semantic token's.
  return {IdOf("<|im_end|>"), IdOf("<|pad|>"), IdOf("<|audio_pad|>"), IdOf("<|semantic:0|>")};
}

std::string TinyTokenizerJson(int64_t semantic_entries) {
  const Vocabulary vocabulary = MakeVocabulary();
  Json vocab = Json::object();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) vocab[vocabulary.tokens[id]] = id;
  Json merges = Json::array();
  for (const auto& [left, right] : vocabulary.merges) merges.push_back(Json::array({left, right}));

  Json added = Json::array();
  int64_t id = static_cast<int64_t>(vocabulary.tokens.size());
  for (const AddedToken& token : kAdded) added.push_back(Added(id++, token.text, token.special));
  for (int64_t i = 0; i < semantic_entries; ++i) {
    added.push_back(Added(id++, absl::StrCat("<|semantic:", i, "|>"), true));
  }

  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", false},
                           {"use_regex", false}};
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", kSplitRegex}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json file = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", {{"type", "NFC"}}},
                     {"pre_tokenizer",
                      {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}}},
                     {"post_processor", byte_level},
                     {"decoder",
                      {{"type", "ByteLevel"},
                       {"add_prefix_space", true},
                       {"trim_offsets", true},
                       {"use_regex", true}}},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", false},
                       {"vocab", vocab},
                       {"merges", merges}}}};
  return file.dump() + "\n";
}

}  // namespace shoal::tools
