#include "common/service/flag_set.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/service/version.h"

namespace shoal::service {
namespace {

std::string EnvironmentName(absl::string_view flag) {
  std::string name = absl::StrCat("SHOAL_", absl::AsciiStrToUpper(flag));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// Single-character edits that lead from a to b.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace

FlagSet::FlagSet(std::string program, std::string purpose)
    : program_(std::move(program)), purpose_(std::move(purpose)) {}

void FlagSet::AddFlag(Flag flag) {
  if (Find(flag.name) != nullptr || flag.name == "help" || flag.name == "version") {
    misuse_.Update(absl::InternalError(absl::StrCat("--", flag.name, " is declared twice")));
    return;
  }
  flags_.push_back(std::move(flag));
}

void FlagSet::Short(char c, const std::string& name) {
  Flag* flag = Find(name);
  if (flag == nullptr || FindShort(c) != nullptr || c == 'h') {
    misuse_.Update(
        absl::InternalError(absl::StrCat("-", std::string(1, c), " cannot stand for --", name)));
    return;
  }
  flag->short_name = c;
}

void FlagSet::AllowPositional(const std::string& usage, std::vector<std::string>* target) {
  positional_usage_ = usage;
  positional_ = target;
}

FlagSet::Flag* FlagSet::Find(absl::string_view name) {
  for (Flag& flag : flags_) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

FlagSet::Flag* FlagSet::FindShort(char short_name) {
  for (Flag& flag : flags_) {
    if (flag.short_name == short_name) return &flag;
  }
  return nullptr;
}

absl::Status FlagSet::Store(Flag& flag, absl::string_view text, absl::string_view source) {
  if (flag.clear && !flag.set) flag.clear();
  flag.set = true;
  absl::Status status = flag.store(text);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", status.message()));
}

absl::Status FlagSet::ParseEnvironment() {
  for (Flag& flag : flags_) {
    const std::string name = EnvironmentName(flag.name);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == 0) continue;
    absl::Status status = Store(flag, value, absl::StrCat(name, " (--", flag.name, ")"));
    if (!status.ok()) return status;
    flag.set = false;  // the command line replaces it
  }
  return absl::OkStatus();
}

absl::Status FlagSet::UnknownFlag(absl::string_view name) const {
  std::string closest;
  size_t distance = std::max<size_t>(2, name.size() / 3) + 1;
  auto consider = [&](const std::string& candidate) {
    const size_t d = EditDistance(name, candidate);
    if (d < distance) {
      distance = d;
      closest = candidate;
    }
  };
  for (const Flag& flag : flags_) {
    consider(flag.name);
    if (flag.is_bool) consider("no-" + flag.name);
  }
  consider("help");
  consider("version");
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown flag --", name,
      closest.empty() ? "; --help lists all" : absl::StrCat("; did you mean --", closest, "?")));
}

absl::Status FlagSet::ParseLong(absl::string_view argument, absl::Span<const char* const> rest,
                                bool* used_next) {
  absl::string_view name = argument;
  std::optional<absl::string_view> value;
  if (const size_t equals = argument.find('='); equals != absl::string_view::npos) {
    name = argument.substr(0, equals);
    value = argument.substr(equals + 1);
  }
  const std::string source = absl::StrCat("--", name);
  Flag* flag = Find(name);
  if (flag == nullptr && name.substr(0, 3) == "no-") {
    flag = Find(name.substr(3));
    if (flag == nullptr || !flag->is_bool) return UnknownFlag(name);
    if (value) return absl::InvalidArgumentError(absl::StrCat(source, ": takes no value"));
    return Store(*flag, "false", source);
  }
  if (flag == nullptr) return UnknownFlag(name);
  if (!value && flag->is_bool) value = "true";
  if (!value) {
    if (rest.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(source, ": a value is missing"));
    }
    value = rest.front();
    *used_next = true;
  }
  return Store(*flag, *value, source);
}

absl::Status FlagSet::ParseShort(absl::string_view argument, absl::Span<const char* const> rest,
                                 bool* used_next) {
  Flag* flag = FindShort(argument[1]);
  if (flag == nullptr || argument.size() > 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown flag ", argument, "; --help lists all"));
  }
  return ParseLong(flag->name, rest, used_next);
}

absl::StatusOr<FlagSet::Outcome> FlagSet::ParseArguments(absl::Span<const char* const> arguments) {
  bool only_positional = false;
  while (!arguments.empty()) {
    const absl::string_view argument = arguments.front();
    arguments.remove_prefix(1);
    bool used_next = false;
    absl::Status status;
    if (only_positional || argument.size() < 2 || argument[0] != '-') {
      if (positional_ == nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat("unexpected argument \"", argument, "\"; flags begin with --"));
      }
      positional_->emplace_back(argument);
    } else if (argument == "--") {
      only_positional = true;
    } else if (argument == "--help" || argument == "-h") {
      return Outcome::kHelp;
    } else if (argument == "--version") {
      return Outcome::kVersion;
    } else if (argument[1] == '-') {
      status = ParseLong(argument.substr(2), arguments, &used_next);
    } else {
      status = ParseShort(argument, arguments, &used_next);
    }
    if (!status.ok()) return status;
    if (used_next) arguments.remove_prefix(1);
  }
  return Outcome::kRun;
}

absl::StatusOr<FlagSet::Outcome> FlagSet::Parse(int argc, const char* const* argv) {
  if (!misuse_.ok()) return misuse_;
  if (absl::Status status = ParseEnvironment(); !status.ok()) return status;
  return ParseArguments(absl::MakeConstSpan(argv, argc).subspan(argc > 0 ? 1 : 0));
}

void FlagSet::ParseOrExit(int argc, const char* const* argv) {
  const absl::StatusOr<Outcome> outcome = Parse(argc, argv);
  if (!outcome.ok()) Fail(outcome.status().message());
  if (*outcome == Outcome::kRun) return;
  std::fputs(*outcome == Outcome::kHelp ? HelpText().c_str() : VersionText().c_str(), stdout);
  std::exit(0);
}

void FlagSet::Fail(absl::string_view why) const {
  std::fprintf(stderr, "%s: %s\n", program_.c_str(), std::string(why).c_str());
  std::exit(2);
}

std::string FlagSet::HelpText() const {
  std::string text = absl::StrCat(program_, ": ", purpose_, "\n\nUsage: ", program_, " [flags]",
                                  positional_usage_.empty() ? "" : " ", positional_usage_,
                                  "\n\nFlags (each also from the variable in parentheses):\n");
  for (const Flag& flag : flags_) {
    absl::StrAppend(
        &text, "  --", flag.is_bool ? "[no-]" : "", flag.name,
        flag.short_name != 0 ? absl::StrCat(", -", std::string(1, flag.short_name)) : "", " <",
        flag.type, ">  default ", flag.default_text, "  (", EnvironmentName(flag.name), ")\n      ",
        flag.help, "\n");
  }
  absl::StrAppend(&text,
                  "  --help, -h\n      prints this\n  --version\n      prints the version\n");
  return text;
}

std::string FlagSet::VersionText() const {
  return absl::StrCat(program_, " ", Version(), " (", Compiler(), ")\n");
}

}  // namespace shoal::service
