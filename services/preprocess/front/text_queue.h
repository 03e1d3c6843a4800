// A session's input in the order in which it came, and what is to be done next: speak a turn,
// answer a flush, end. Text is split no further ahead than needed, a few kilobytes at a time, so
// that a long text costs nobody else's time. Owned by one session, on the front's loop.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_TEXT_QUEUE_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_TEXT_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/preprocess/text/text_splitter.h"

namespace shoal::preprocess {

class TextQueue {
 public:
  struct Item {
    enum class Kind { kTurn, kFlush, kEnd };
    Kind kind;
    std::string text;  // of the turn, or the flush's id
  };

  static absl::StatusOr<TextQueue> Create(int64_t chunk_length, int64_t max_text_bytes);

  // INVALID_ARGUMENT when this piece takes the call past its limit.
  absl::Status AddText(std::string piece);
  void AddFlush(std::string id);
  void End();

  // What can be done now; nothing when more input is needed.
  absl::StatusOr<std::optional<Item>> Next();

  size_t waiting() const { return inputs_.size(); }   // pieces and flushes not yet looked at
  int64_t text_bytes() const { return text_bytes_; }  // of the whole call so far

 private:
  TextQueue(TextSplitter splitter, int64_t max_text_bytes)
      : splitter_(std::move(splitter)), max_text_bytes_(max_text_bytes) {}

  absl::Status Split();  // one step of the first input

  TextSplitter splitter_;
  int64_t max_text_bytes_;
  int64_t text_bytes_ = 0;
  std::deque<Item> inputs_;  // kTurn stands for a piece of text
  size_t consumed_ = 0;      // bytes of the first input, a piece
  std::deque<Item> ready_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_TEXT_QUEUE_H_
