// Added tokens: literals such as "<|im_end|>" that are one token wherever they stand in a text.
//
// An AddedTokenMatcher is immutable once it is filled; any thread may then search. It holds some of
// a tokenizer's added tokens: the ones that are looked for together.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_ADDED_TOKENS_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_ADDED_TOKENS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace shoal::preprocess {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;      // changes nothing in how it is matched
  bool single_word = false;  // only with no word character on either side
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and the white space after it
  bool normalized = false;   // looked for in the normalised text, in its own normalised form
};

class AddedTokenMatcher {
 public:
  AddedTokenMatcher();

  // `pattern` is what to look for: the token's content, normalised if it must be. Not empty.
  void Add(absl::string_view pattern, const AddedToken& token);
  bool empty() const { return tokens_.empty(); }

  struct Segment {
    absl::string_view text;
    std::optional<int32_t> id;  // of the token that the text is; none: ordinary text
  };
  // Cuts `text` at its matches: the leftmost first, the longest of those, none overlapping. Empty
  // segments are left out. Time is linear in the text (times the longest pattern at most).
  // REQUIRES: valid UTF-8.
  std::vector<Segment> Cut(absl::string_view text) const;

 private:
  struct Match {
    size_t length = 0;  // 0: none
    int32_t token = -1;
  };
  struct Node {
    absl::flat_hash_map<char, int32_t> next;
    int32_t token = -1;  // whose pattern ends here
  };

  Match LongestAt(absl::string_view text, size_t offset) const;

  std::vector<Node> nodes_;  // a trie; nodes_[0] is its root
  std::array<bool, 256> starts_{};
  std::vector<AddedToken> tokens_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_ADDED_TOKENS_H_
