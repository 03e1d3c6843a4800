// The flags of one binary: declared once with their defaults, then set from the command line and
// from SHOAL_* environment variables (command line > environment > default).
//
//   FlagSet flags("shoal-vocoder", "Decodes codes to audio.");
//   flags.Add("listen", &options.listen, "address of the inbox");
//   flags.ParseOrExit(argc, argv);          // in main.cc only; everything else gets `options`
//
// Accepted: --name value, --name=value, --name / --no-name / --name=false for bools, -o value for
// names with a short form, -- before positional arguments that begin with a dash, --help,
// --version. A list takes comma-separated values and may be repeated; its first use replaces the
// default. A variable that is set but empty counts as not set.
//
// Owned by main, used by the main thread before any other thread exists. Targets must outlive the
// parse. An error is one line that names the flag (and the variable, where it came from there); on
// an error some targets may already have been written.
#ifndef SHOAL_COMMON_SERVICE_FLAG_SET_H_
#define SHOAL_COMMON_SERVICE_FLAG_SET_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace shoal::service {

class FlagSet {
 public:
  enum class Outcome { kRun, kHelp, kVersion };

  FlagSet(std::string program, std::string purpose);

  // The value in *target is the default. `name` is lower case with dashes.
  void Add(const std::string& name, std::string* target, const std::string& help);
  void Add(const std::string& name, int* target, const std::string& help);
  void Add(const std::string& name, int64_t* target, const std::string& help);
  void Add(const std::string& name, uint64_t* target, const std::string& help);
  void Add(const std::string& name, double* target, const std::string& help);
  void Add(const std::string& name, bool* target, const std::string& help);
  void Add(const std::string& name, absl::Duration* target, const std::string& help);  // "1.5s"
  void Add(const std::string& name, std::vector<std::string>* target, const std::string& help);
  // A string that must be one of `choices`.
  void AddChoice(const std::string& name, std::string* target, std::vector<std::string> choices,
                 const std::string& help);

  // Lets -c stand for --name, which must have been added.
  void Short(char c, const std::string& name);

  // Collects positional arguments, which are refused otherwise. `usage` is shown by --help, e.g.
  // "TEXT...".
  void AllowPositional(const std::string& usage, std::vector<std::string>* target);

  // argv[0] is skipped.
  absl::StatusOr<Outcome> Parse(int argc, const char* const* argv);

  // Prints help or version and exits 0, or one line of error and exits 2, or returns.
  void ParseOrExit(int argc, const char* const* argv);

  // For what main finds wrong with the values afterwards: one line, exit 2.
  [[noreturn]] void Fail(absl::string_view why) const;

  std::string HelpText() const;
  std::string VersionText() const;

 private:
  struct Flag {
    std::string name;
    std::string type;
    std::string help;
    std::string default_text;
    char short_name = 0;
    bool is_bool = false;
    bool set = false;  // from the source being read
    std::function<absl::Status(absl::string_view)> store;
    std::function<void()> clear = nullptr;  // lists: drops the default before the first value
  };

  void AddFlag(Flag flag);
  Flag* Find(absl::string_view name);
  Flag* FindShort(char short_name);
  // `source` is what the error names.
  absl::Status Store(Flag& flag, absl::string_view text, absl::string_view source);
  absl::Status ParseEnvironment();
  absl::StatusOr<Outcome> ParseArguments(absl::Span<const char* const> arguments);
  // `rest` is what follows; *used_next says that its first element was the value.
  absl::Status ParseLong(absl::string_view argument, absl::Span<const char* const> rest,
                         bool* used_next);
  absl::Status ParseShort(absl::string_view argument, absl::Span<const char* const> rest,
                          bool* used_next);
  absl::Status UnknownFlag(absl::string_view name) const;

  std::string program_;
  std::string purpose_;
  std::string positional_usage_;
  std::vector<std::string>* positional_ = nullptr;
  std::vector<Flag> flags_;
  absl::Status misuse_;  // a flag declared wrongly: Parse returns it
};

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_FLAG_SET_H_
