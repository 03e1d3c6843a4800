#include "services/preprocess/front/conversation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {

Conversation::Conversation(const PromptBuilder* builder, int64_t max_seq_len,
                           std::optional<uint32_t> max_frames, uint32_t default_max_frames,
                           std::vector<Voice> voices)
    : builder_(builder),
      max_seq_len_(max_seq_len),
      max_frames_(max_frames),
      default_max_frames_(default_max_frames),
      voices_(std::move(voices)) {}

int64_t Conversation::wanted_frames() const {
  if (max_frames_) return *max_frames_;
  // A short context is shared between what was said and what is to come.
  return std::min(default_max_frames_, max_seq_len_ / 4);
}

bool Conversation::Fits(const Prompt& prompt) const {
  return prompt.length() + wanted_frames() <= max_seq_len_;
}

absl::StatusOr<Prompt> Conversation::Build(absl::string_view text, size_t forget) const {
  std::vector<Reference> references;
  for (const Voice& voice : voices_) {
    const Codes& codes = voice.reference->codes;
    references.push_back({voice.transcript, {codes.values, codes.frames}});
  }
  std::vector<SpokenTurn> history;
  for (size_t i = forget; i < history_.size(); ++i) {
    history.push_back({history_[i].text, {history_[i].codes, history_[i].frames}});
  }
  return builder_->Build(references, history, text);
}

absl::StatusOr<Conversation::Plan> Conversation::Next(absl::string_view text) {
  absl::StatusOr<Prompt> prompt = Build(text, 0);
  if (!prompt.ok()) return prompt.status();
  if (!Fits(*prompt) && !history_.empty()) {
    // The least number of turns whose absence is enough; a prompt shrinks with every turn.
    size_t low = 1, high = history_.size();
    const auto enough = [&](const Prompt& shorter) {
      return shorter.length() <= max_seq_len_ / 2 && Fits(shorter);
    };
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      prompt = Build(text, middle);
      if (!prompt.ok()) return prompt.status();
      if (enough(*prompt)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    history_.erase(history_.begin(), history_.begin() + static_cast<std::ptrdiff_t>(low));
    prompt = Build(text, 0);
    if (!prompt.ok()) return prompt.status();
  }
  const int64_t room = max_seq_len_ - prompt->length();
  if (room < (max_frames_ ? int64_t{*max_frames_} : 1)) return TooLong(*prompt);
  Plan plan;
  plan.max_frames =
      static_cast<uint32_t>(max_frames_ ? *max_frames_ : std::min(default_max_frames_, room));
  plan.prompt = *std::move(prompt);
  return plan;
}

absl::Status Conversation::TooLong(const Prompt& prompt) const {
  const int64_t frames = max_frames_.value_or(1);
  const char* field = "text";
  if (!voices_.empty()) field = "config.references";
  if (max_frames_ && prompt.length() < max_seq_len_) field = "config.sampling.max_frames";
  return InvalidField(field,
                      absl::StrCat("the turn needs ", prompt.length(), " positions of prompt and ",
                                   frames, " of audio; the model's context holds ", max_seq_len_),
                      reason::kContextTooLong);
}

void Conversation::Add(std::string text, const std::vector<int32_t>& codes) {
  const int64_t codebooks = builder_->vocabulary().num_codebooks;
  Turn turn;
  turn.text = std::move(text);
  turn.frames = static_cast<int64_t>(codes.size()) / codebooks;
  turn.codes.resize(codes.size());
  for (int64_t frame = 0; frame < turn.frames; ++frame) {
    for (int64_t codebook = 0; codebook < codebooks; ++codebook) {
      turn.codes[codebook * turn.frames + frame] = codes[frame * codebooks + codebook];
    }
  }
  history_.push_back(std::move(turn));
}

}  // namespace shoal::preprocess
