#include "services/preprocess/text/prompt.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/preprocess/text/utf8.h"

namespace shoal::preprocess {
namespace {

constexpr absl::string_view kPlainInstruction = "convert the provided text to speech";
constexpr absl::string_view kReferenceInstruction =
    "convert the provided text to speech reference to the following:\n\nText:\n";
constexpr absl::string_view kBeforeSpeech = "\n\nSpeech:\n";

absl::Status At(absl::string_view name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(name, ": ", status.message()));
}

// Whether the ids that codes are written with are those of <|semantic:i|> in the tokenizer.
absl::Status CheckSemanticIds(const Tokenizer& tokenizer, const PromptVocabulary& vocabulary) {
  const int64_t last = vocabulary.semantic_end - vocabulary.semantic_start;
  if (last < 0) {
    return absl::InvalidArgumentError(absl::StrCat("semantic_end ", vocabulary.semantic_end,
                                                   " is below semantic_start ",
                                                   vocabulary.semantic_start));
  }
  for (const int64_t code : {int64_t{0}, last}) {
    const std::string literal = absl::StrCat("<|semantic:", code, "|>");
    const std::optional<int32_t> id = tokenizer.TokenId(literal);
    const int64_t expected = vocabulary.semantic_start + code;
    if (!id || *id != expected) {
      return absl::InvalidArgumentError(
          absl::StrCat("the tokenizer's ", literal, " is ", id ? absl::StrCat(*id) : "missing",
                       ", the model's configuration says ", expected));
    }
  }
  return absl::OkStatus();
}

}  // namespace

// Collects the positions of one prompt: runs of tokens and runs of audio frames.
class PromptBuilder::Layout {
 public:
  Layout(const PromptVocabulary& vocabulary) : vocabulary_(vocabulary) {}

  void Tokens(absl::Span<const int32_t> ids) {
    token_ids_.insert(token_ids_.end(), ids.begin(), ids.end());
  }
  // REQUIRES: `codes` was checked, and lives until Finish.
  void Codes(const CodesView& codes) {
    audio_.push_back({token_ids_.size(), codes});
    for (int64_t frame = 0; frame < codes.frames; ++frame) {
      const int64_t id = vocabulary_.semantic_start + codes.values[frame];
      token_ids_.push_back(static_cast<int32_t>(id));
    }
  }
  void EndOfSystem() { system_length_ = static_cast<int64_t>(token_ids_.size()); }
  Prompt Finish() {
    const size_t length = token_ids_.size();
    Prompt prompt;
    prompt.system_length = system_length_;
    prompt.codes.assign(static_cast<size_t>(vocabulary_.num_codebooks) * length, 0);
    for (const Audio& audio : audio_) {
      const size_t frames = static_cast<size_t>(audio.codes.frames);
      for (int64_t book = 0; book < vocabulary_.num_codebooks; ++book) {
        const absl::Span<const int32_t> row = audio.codes.values.subspan(book * frames, frames);
        std::copy(row.begin(), row.end(), prompt.codes.begin() + book * length + audio.position);
      }
    }
    prompt.token_ids = std::move(token_ids_);
    return prompt;
  }

 private:
  struct Audio {
    size_t position;  // of its first frame
    CodesView codes;
  };

  const PromptVocabulary& vocabulary_;
  std::vector<int32_t> token_ids_;
  std::vector<Audio> audio_;
  int64_t system_length_ = 0;
};

PromptBuilder::PromptBuilder(const Tokenizer* tokenizer, const PromptVocabulary& vocabulary,
                             const PromptOptions& options, Literals literals)
    : tokenizer_(tokenizer),
      vocabulary_(vocabulary),
      options_(options),
      literals_(std::move(literals)) {}

absl::StatusOr<PromptBuilder> PromptBuilder::Create(const Tokenizer* tokenizer,
                                                    const PromptVocabulary& vocabulary,
                                                    const PromptOptions& options) {
  const absl::Status status = CheckSemanticIds(*tokenizer, vocabulary);
  if (!status.ok()) return status;
  if (vocabulary.num_codebooks < 1 || vocabulary.codebook_entries < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_codebooks is ", vocabulary.num_codebooks, ", codebook_entries ",
                     vocabulary.codebook_entries, ", expected at least 1"));
  }
  for (const absl::string_view literal : {"<|im_start|>", "<|im_end|>", "<|voice|>"}) {
    if (!tokenizer->TokenId(literal)) {
      return absl::InvalidArgumentError(absl::StrCat("the tokenizer has no ", literal));
    }
  }
  Literals literals;
  const std::pair<std::vector<int32_t>*, absl::string_view> texts[] = {
      {&literals.system_start, "<|im_start|>system\n"},
      {&literals.user_start, "<|im_start|>user\n"},
      {&literals.assistant_start, "<|im_start|>assistant\n<|voice|>"},
      {&literals.message_end, "<|im_end|>\n"},
      {&literals.plain_instruction, kPlainInstruction},
      {&literals.reference_instruction, kReferenceInstruction},
      {&literals.before_speech, kBeforeSpeech},
  };
  for (const auto& [ids, text] : texts) {
    absl::StatusOr<std::vector<int32_t>> encoded = tokenizer->Encode(text, ControlTokens::kParse);
    if (!encoded.ok()) return encoded.status();
    *ids = *std::move(encoded);
  }
  return PromptBuilder(tokenizer, vocabulary, options, std::move(literals));
}

absl::Status PromptBuilder::CheckCodes(const CodesView& codes, absl::string_view name) const {
  const int64_t books = vocabulary_.num_codebooks;
  if (codes.frames < 0 || codes.values.size() % books != 0 ||
      static_cast<int64_t>(codes.values.size()) / books != codes.frames) {
    return absl::InvalidArgumentError(absl::StrCat(name, ".codes: ", codes.values.size(),
                                                   " values, expected ", books, " codebooks of ",
                                                   codes.frames, " frames"));
  }
  const int64_t semantic = vocabulary_.semantic_end - vocabulary_.semantic_start + 1;
  for (size_t i = 0; i < codes.values.size(); ++i) {
    const int64_t book = static_cast<int64_t>(i) / codes.frames;
    const int64_t entries = book == 0 ? semantic : vocabulary_.codebook_entries;
    if (codes.values[i] < 0 || codes.values[i] >= entries) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ".codes[", book, "][", static_cast<int64_t>(i) % codes.frames, "] is ",
                       codes.values[i], ", expected 0 to ", entries - 1));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Prompt> PromptBuilder::Build(absl::Span<const preprocess::Reference> references,
                                            absl::Span<const SpokenTurn> history,
                                            absl::string_view text) const {
  Layout layout(vocabulary_);
  const auto client_text = [&](absl::string_view name, absl::string_view utf8) -> absl::Status {
    absl::StatusOr<std::vector<int32_t>> ids = tokenizer_->Encode(utf8, options_.client_text);
    if (!ids.ok()) return At(name, ids.status());
    layout.Tokens(*ids);
    return absl::OkStatus();
  };

  layout.Tokens(literals_.system_start);
  if (references.empty()) {
    layout.Tokens(literals_.plain_instruction);
  } else {
    std::vector<std::string> transcripts;
    for (size_t i = 0; i < references.size(); ++i) {
      const absl::string_view transcript = references[i].transcript;
      if (const std::optional<size_t> invalid = FindInvalidUtf8(transcript)) {
        return absl::InvalidArgumentError(
            absl::StrCat("references[", i, "].transcript: text is not UTF-8 at byte ", *invalid));
      }
      const std::string tag = HasSpeakerTag(transcript) ? "" : absl::StrCat("<|speaker:", i, "|>");
      transcripts.push_back(absl::StrCat(tag, transcript));
    }
    layout.Tokens(literals_.reference_instruction);
    const absl::Status status =
        client_text("references[].transcript", absl::StrJoin(transcripts, "\n"));
    if (!status.ok()) return status;
    layout.Tokens(literals_.before_speech);
    for (size_t i = 0; i < references.size(); ++i) {
      const absl::Status checked =
          CheckCodes(references[i].codes, absl::StrCat("references[", i, "]"));
      if (!checked.ok()) return checked;
      layout.Codes(references[i].codes);
    }
  }
  layout.Tokens(literals_.message_end);
  layout.EndOfSystem();

  for (size_t i = 0; i < history.size(); ++i) {
    const std::string name = absl::StrCat("history[", i, "]");
    layout.Tokens(literals_.user_start);
    absl::Status status = client_text(absl::StrCat(name, ".text"), history[i].text);
    if (status.ok()) status = CheckCodes(history[i].codes, name);
    if (!status.ok()) return status;
    layout.Tokens(literals_.message_end);
    layout.Tokens(literals_.assistant_start);
    layout.Codes(history[i].codes);
    layout.Tokens(literals_.message_end);
  }

  layout.Tokens(literals_.user_start);
  const absl::Status status = client_text("text", text);
  if (!status.ok()) return status;
  layout.Tokens(literals_.message_end);
  layout.Tokens(literals_.assistant_start);
  return layout.Finish();
}

std::vector<std::string> PromptBuilder::Batches(absl::string_view text, int64_t chunk_length,
                                                int max_turns) const {
  return DialogueBatches(text, {chunk_length, max_turns, options_.leading_text});
}

}  // namespace shoal::preprocess
