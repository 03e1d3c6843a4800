#include "client/recording_arguments.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace shoal::client {
namespace {

constexpr absl::string_view kFlags[] = {"--reference", "--transcript"};

absl::Status NoRecording(const std::string& transcript) {
  return absl::InvalidArgumentError(
      absl::StrCat("--transcript: there is no --reference for \"", transcript, "\""));
}

}  // namespace

std::vector<RecordingArgument> TakeRecordings(std::vector<const char*>* arguments) {
  std::vector<RecordingArgument> taken;
  std::vector<const char*> rest;
  size_t i = 0;
  for (; i < arguments->size(); ++i) {
    const absl::string_view argument = (*arguments)[i];
    if (argument == "--") break;
    bool matched = false;
    for (const bool is_transcript : {false, true}) {
      const absl::string_view flag = kFlags[is_transcript];
      if (argument == flag && i + 1 < arguments->size()) {
        taken.push_back({is_transcript, (*arguments)[++i]});
        matched = true;
      } else if (absl::StartsWith(argument, absl::StrCat(flag, "="))) {
        taken.push_back({is_transcript, std::string(argument.substr(flag.size() + 1))});
        matched = true;
      }
      if (matched) break;
    }
    if (!matched) rest.push_back((*arguments)[i]);
  }
  rest.insert(rest.end(), arguments->begin() + static_cast<ptrdiff_t>(i), arguments->end());
  *arguments = std::move(rest);
  return taken;
}

absl::StatusOr<std::vector<Recording>> PairRecordings(
    const std::vector<RecordingArgument>& arguments) {
  std::vector<Recording> recordings;
  std::optional<std::string> early;  // a transcript whose recording is yet to come
  bool complete = true;              // the last recording takes no transcript any more
  for (const RecordingArgument& argument : arguments) {
    if (!argument.is_transcript) {
      complete = early.has_value();
      recordings.push_back({argument.value, std::exchange(early, std::nullopt).value_or("")});
    } else if (!complete) {
      recordings.back().transcript = argument.value;
      complete = true;
    } else if (early) {
      return NoRecording(*early);
    } else {
      early = argument.value;
    }
  }
  if (early) return NoRecording(*early);
  return recordings;
}

}  // namespace shoal::client
