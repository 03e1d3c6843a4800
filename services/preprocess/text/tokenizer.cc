#include "services/preprocess/text/tokenizer.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "services/preprocess/text/bpe.h"
#include "services/preprocess/text/pre_tokenizer.h"
#include "services/preprocess/text/tokenizer_added_tokens.h"
#include "services/preprocess/text/tokenizer_file.h"
#include "services/preprocess/text/tokenizer_nfc.h"
#include "services/preprocess/text/utf8.h"

namespace shoal::preprocess {
namespace {

// What ICU and the BPE's indices can hold, with room for text that grows in normalisation.
constexpr size_t kMaxTextBytes = size_t{1} << 29;

bool MayBeWrittenByUsers(absl::string_view literal) {
  return literal == "<|phoneme_start|>" || literal == "<|phoneme_end|>";
}

// The added tokens that count in one of the ControlTokens modes.
struct Matchers {
  AddedTokenMatcher raw;         // looked for first, in the text as it is
  AddedTokenMatcher normalized;  // then in what lies between, once that is normalised
};

}  // namespace

struct Tokenizer::Parts {
  bool nfc;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  Matchers parsed, as_text;
  absl::flat_hash_map<std::string, int32_t> added_ids;
  int64_t vocab_size;

  absl::Status EncodeRaw(absl::string_view text, const AddedTokenMatcher& normalized_tokens,
                         Bpe::AddedTokens added, Bpe::Scratch& scratch,
                         std::vector<int32_t>& ids) const;
};

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

absl::StatusOr<Tokenizer> Tokenizer::Load(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  const std::string json{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad()) return absl::UnavailableError(absl::StrCat(path, ": cannot be read"));
  absl::StatusOr<Tokenizer> tokenizer = FromJson(json);
  if (tokenizer.ok()) return tokenizer;
  return absl::Status(tokenizer.status().code(),
                      absl::StrCat(path, ": ", tokenizer.status().message()));
}

absl::StatusOr<Tokenizer> Tokenizer::FromJson(absl::string_view json) {
  absl::StatusOr<TokenizerFile> file = ReadTokenizerFile(json);
  if (!file.ok()) return file.status();

  Matchers parsed, as_text;
  absl::flat_hash_map<std::string, int32_t> added_ids;
  absl::flat_hash_set<int32_t> control_ids;
  int64_t vocab_size = 0;
  for (const auto& [entry, id] : file->vocabulary) {
    vocab_size = std::max<int64_t>(vocab_size, id + 1);
  }
  for (const AddedToken& token : file->added_tokens) {
    std::string storage;
    absl::StatusOr<absl::string_view> pattern = absl::string_view(token.content);
    if (token.normalized && file->nfc) pattern = ToNfc(token.content, storage);
    if (!pattern.ok()) return pattern.status();
    (token.normalized ? parsed.normalized : parsed.raw).Add(*pattern, token);
    if (MayBeWrittenByUsers(token.content)) {
      (token.normalized ? as_text.normalized : as_text.raw).Add(*pattern, token);
    }
    control_ids.insert(token.id);
    added_ids.emplace(token.content, token.id);
    vocab_size = std::max<int64_t>(vocab_size, token.id + 1);
  }
  absl::StatusOr<Bpe> bpe =
      Bpe::Create(std::move(file->vocabulary), file->merges, file->ignore_merges, control_ids);
  if (!bpe.ok()) return bpe.status();
  return Tokenizer(std::unique_ptr<const Parts>(
      new Parts{file->nfc, *std::move(file->pre_tokenizer), *std::move(bpe), std::move(parsed),
                std::move(as_text), std::move(added_ids), vocab_size}));
}

absl::Status Tokenizer::Parts::EncodeRaw(absl::string_view text,
                                         const AddedTokenMatcher& normalized_tokens,
                                         Bpe::AddedTokens added, Bpe::Scratch& scratch,
                                         std::vector<int32_t>& ids) const {
  std::string storage;
  absl::StatusOr<absl::string_view> normal = text;
  if (nfc) normal = ToNfc(text, storage);
  if (!normal.ok()) return normal.status();
  for (const AddedTokenMatcher::Segment& segment : normalized_tokens.Cut(*normal)) {
    if (segment.id) {
      ids.push_back(*segment.id);
      continue;
    }
    const absl::Status status = pre_tokenizer.ForEachWord(
        segment.text, [&](absl::string_view word) { bpe.Append(word, added, scratch, ids); });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(absl::string_view utf8,
                                                       ControlTokens control) const {
  if (utf8.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("text of ", utf8.size(), " bytes, expected at most ", kMaxTextBytes));
  }
  if (const std::optional<size_t> invalid = FindInvalidUtf8(utf8)) {
    return absl::InvalidArgumentError(absl::StrCat("text is not UTF-8 at byte ", *invalid));
  }
  const bool parse = control == ControlTokens::kParse;
  const Matchers& matchers = parse ? parts_->parsed : parts_->as_text;
  const Bpe::AddedTokens added = parse ? Bpe::AddedTokens::kAllowed : Bpe::AddedTokens::kNever;
  std::vector<int32_t> ids;
  Bpe::Scratch scratch;
  for (const AddedTokenMatcher::Segment& segment : matchers.raw.Cut(utf8)) {
    if (segment.id) {
      ids.push_back(*segment.id);
      continue;
    }
    const absl::Status status =
        parts_->EncodeRaw(segment.text, matchers.normalized, added, scratch, ids);
    if (!status.ok()) return status;
  }
  return ids;
}

std::optional<int32_t> Tokenizer::TokenId(absl::string_view literal) const {
  const auto added = parts_->added_ids.find(literal);
  if (added != parts_->added_ids.end()) return added->second;
  return parts_->bpe.Find(literal);
}

int64_t Tokenizer::vocab_size() const { return parts_->vocab_size; }

}  // namespace shoal::preprocess
