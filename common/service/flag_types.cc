// The types that a flag can have.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/service/flag_set.h"

namespace shoal::service {
namespace {

absl::Status Expected(absl::string_view what, absl::string_view got) {
  return absl::InvalidArgumentError(absl::StrCat("expected ", what, ", got \"", got, "\""));
}

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

bool ParseBool(absl::string_view text, bool* value) {
  // absl::SimpleAtob knows true/false, t/f, yes/no, y/n, 1/0.
  const std::string lower = absl::AsciiStrToLower(text);
  if (lower == "on" || lower == "off") {
    *value = lower == "on";
    return true;
  }
  return absl::SimpleAtob(lower, value);
}

// A store function for a type that absl::SimpleAto* knows.
template <typename T, typename Parser>
std::function<absl::Status(absl::string_view)> StoreNumber(T* target, Parser parse,
                                                           const char* what) {
  return [=](absl::string_view text) -> absl::Status {
    T value;
    if (!parse(text, &value)) return Expected(what, text);
    *target = value;
    return absl::OkStatus();
  };
}

}  // namespace

void FlagSet::Add(const std::string& name, std::string* target, const std::string& help) {
  AddFlag({.name = name,
           .type = "string",
           .help = help,
           .default_text = Quoted(*target),
           .store = [target](absl::string_view text) {
             *target = std::string(text);
             return absl::OkStatus();
           }});
}

void FlagSet::Add(const std::string& name, int* target, const std::string& help) {
  AddFlag({.name = name,
           .type = "int",
           .help = help,
           .default_text = absl::StrCat(*target),
           .store = StoreNumber(
               target, [](absl::string_view t, int* v) { return absl::SimpleAtoi(t, v); },
               "a whole number of 32 bits")});
}

void FlagSet::Add(const std::string& name, int64_t* target, const std::string& help) {
  AddFlag({.name = name,
           .type = "int64",
           .help = help,
           .default_text = absl::StrCat(*target),
           .store = StoreNumber(
               target, [](absl::string_view t, int64_t* v) { return absl::SimpleAtoi(t, v); },
               "a whole number of 64 bits")});
}

void FlagSet::Add(const std::string& name, uint64_t* target, const std::string& help) {
  AddFlag({.name = name,
           .type = "uint64",
           .help = help,
           .default_text = absl::StrCat(*target),
           .store = StoreNumber(
               target, [](absl::string_view t, uint64_t* v) { return absl::SimpleAtoi(t, v); },
               "a whole number >= 0 of 64 bits")});
}

void FlagSet::Add(const std::string& name, double* target, const std::string& help) {
  AddFlag({.name = name,
           .type = "number",
           .help = help,
           .default_text = absl::StrCat(*target),
           .store = StoreNumber(
               target, [](absl::string_view t, double* v) { return absl::SimpleAtod(t, v); },
               "a number")});
}

void FlagSet::Add(const std::string& name, bool* target, const std::string& help) {
  AddFlag({.name = name,
           .type = "bool",
           .help = help,
           .default_text = *target ? "true" : "false",
           .is_bool = true,
           .store = StoreNumber(target, ParseBool, "true or false")});
}

void FlagSet::Add(const std::string& name, absl::Duration* target, const std::string& help) {
  AddFlag(
      {.name = name,
       .type = "duration",
       .help = help,
       .default_text = absl::FormatDuration(*target),
       .store = StoreNumber(
           target, [](absl::string_view t, absl::Duration* v) { return absl::ParseDuration(t, v); },
           "a duration such as 200ms, 1.5s or 2m")});
}

void FlagSet::Add(const std::string& name, std::vector<std::string>* target,
                  const std::string& help) {
  AddFlag({.name = name,
           .type = "list",
           .help = help,
           .default_text = Quoted(absl::StrJoin(*target, ",")),
           .store =
               [target](absl::string_view text) {
                 for (absl::string_view item : absl::StrSplit(text, ',')) {
                   item = absl::StripAsciiWhitespace(item);
                   if (item.empty()) return Expected("a list without empty items", text);
                   target->emplace_back(item);
                 }
                 return absl::OkStatus();
               },
           .clear = [target] { target->clear(); }});
}

void FlagSet::AddChoice(const std::string& name, std::string* target,
                        std::vector<std::string> choices, const std::string& help) {
  const std::string type = absl::StrJoin(choices, "|");
  AddFlag({.name = name,
           .type = type,
           .help = help,
           .default_text = Quoted(*target),
           .store = [=](absl::string_view text) {
             if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
               return Expected(absl::StrCat("one of ", absl::StrJoin(choices, ", ")), text);
             }
             *target = std::string(text);
             return absl::OkStatus();
           }});
}

}  // namespace shoal::service
