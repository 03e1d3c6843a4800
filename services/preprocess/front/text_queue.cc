#include "services/preprocess/front/text_queue.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {

absl::StatusOr<TextQueue> TextQueue::Create(int64_t chunk_length, int64_t max_text_bytes) {
  absl::StatusOr<TextSplitter> splitter = TextSplitter::Create(chunk_length);
  if (!splitter.ok()) return splitter.status();
  return TextQueue(*std::move(splitter), max_text_bytes);
}

absl::Status TextQueue::AddText(std::string piece) {
  text_bytes_ += static_cast<int64_t>(piece.size());
  if (text_bytes_ > max_text_bytes_) {
    return InvalidField("text",
                        absl::StrCat("the call's text has ", text_bytes_,
                                     " bytes or more; the limit is ", max_text_bytes_),
                        reason::kTextTooLong);
  }
  inputs_.push_back({Item::Kind::kTurn, std::move(piece)});
  return absl::OkStatus();
}

void TextQueue::AddFlush(std::string id) { inputs_.push_back({Item::Kind::kFlush, std::move(id)}); }

void TextQueue::End() { inputs_.push_back({Item::Kind::kEnd, ""}); }

absl::StatusOr<std::optional<TextQueue::Item>> TextQueue::Next() {
  while (ready_.empty()) {
    if (inputs_.empty()) return std::optional<Item>();
    if (absl::Status status = Split(); !status.ok()) return status;
  }
  std::optional<Item> item = std::move(ready_.front());
  ready_.pop_front();
  return item;
}

absl::Status TextQueue::Split() {
  constexpr size_t kStepBytes = 4096;
  Item& input = inputs_.front();
  const bool text = input.kind == Item::Kind::kTurn;
  const absl::string_view piece =
      text ? absl::string_view(input.text).substr(consumed_, kStepBytes) : absl::string_view();
  const absl::StatusOr<std::vector<std::string>> turns =
      text ? splitter_.Append(piece) : splitter_.Flush();
  if (!turns.ok()) {
    return InvalidField("text", turns.status().message(), reason::kTextNotUtf8);
  }
  for (const std::string& turn : *turns) ready_.push_back({Item::Kind::kTurn, turn});
  if (text) {
    consumed_ += piece.size();
    if (consumed_ < input.text.size()) return absl::OkStatus();
    consumed_ = 0;
  } else {
    ready_.push_back(std::move(input));
  }
  inputs_.pop_front();
  return absl::OkStatus();
}

}  // namespace shoal::preprocess
