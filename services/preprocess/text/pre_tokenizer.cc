#include "services/preprocess/text/pre_tokenizer.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace shoal::preprocess {
namespace {

using Range = Pattern::Range;
using Behavior = PreTokenizer::Behavior;

// Joins a matched range to its neighbour in the order of `ranges`; of several matches in a row only
// the first joins.
std::vector<Range> MergeMatches(absl::Span<const Range> ranges) {
  std::vector<Range> merged;
  bool previous_matched = false;
  for (const Range& range : ranges) {
    if (range.matched && !previous_matched && !merged.empty()) {
      merged.back().begin = std::min(merged.back().begin, range.begin);
      merged.back().end = std::max(merged.back().end, range.end);
    } else {
      merged.push_back(range);
    }
    previous_matched = range.matched;
  }
  return merged;
}

std::vector<Range> Apply(Behavior behavior, std::vector<Range> ranges) {
  switch (behavior) {
    case Behavior::kIsolated:
      return ranges;
    case Behavior::kRemoved:
      ranges.erase(std::remove_if(ranges.begin(), ranges.end(),
                                  [](const Range& range) { return range.matched; }),
                   ranges.end());
      return ranges;
    case Behavior::kMergedWithPrevious:
      return MergeMatches(ranges);
    case Behavior::kMergedWithNext:
      std::reverse(ranges.begin(), ranges.end());
      ranges = MergeMatches(ranges);
      std::reverse(ranges.begin(), ranges.end());
      return ranges;
    case Behavior::kContiguous: {
      std::vector<Range> joined;
      for (const Range& range : ranges) {
        if (!joined.empty() && joined.back().matched == range.matched) {
          joined.back().end = range.end;
        } else {
          joined.push_back(range);
        }
      }
      return joined;
    }
  }
  return ranges;
}

}  // namespace

absl::Status PreTokenizer::ForEachWord(absl::string_view text,
                                       absl::FunctionRef<void(absl::string_view)> word) const {
  std::vector<absl::string_view> pieces = {text};
  for (const Split& split : splits_) {
    std::vector<absl::string_view> next;
    for (const absl::string_view piece : pieces) {
      absl::StatusOr<std::vector<Range>> ranges = split.pattern.Cut(piece);
      if (!ranges.ok()) return ranges.status();
      if (split.invert) {
        for (Range& range : *ranges) range.matched = !range.matched;
      }
      for (const Range& range : Apply(split.behavior, *std::move(ranges))) {
        if (range.begin < range.end) {
          next.push_back(piece.substr(range.begin, range.end - range.begin));
        }
      }
    }
    pieces = std::move(next);
  }
  for (absl::string_view piece : pieces) {
    std::string prefixed;
    if (byte_level_.add_prefix_space && !absl::StartsWith(piece, " ")) {
      prefixed = absl::StrCat(" ", piece);
      piece = prefixed;
    }
    if (!byte_level_.pattern) {
      word(piece);
      continue;
    }
    absl::StatusOr<std::vector<Range>> ranges = byte_level_.pattern->Cut(piece);
    if (!ranges.ok()) return ranges.status();
    for (const Range& range : *ranges) {
      if (range.begin < range.end) word(piece.substr(range.begin, range.end - range.begin));
    }
  }
  return absl::OkStatus();
}

}  // namespace shoal::preprocess
