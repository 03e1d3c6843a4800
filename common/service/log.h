// Logging to stderr through spdlog's default logger: spdlog::info("..."), warn, error from any
// thread once SetUpLog has run. Text lines, or one JSON object a line. Control characters are
// escaped in both, so that nothing in a message can forge a line. User text is never logged.
//
// LogLine is for lines with fields, such as the one line a request:
//   LogLine("request").Add("id", id).Add("audio_seconds", 3.2).Add("outcome", "ok").Write();
//   text: 2025-01-31T12:00:00.000Z info  shoal-preprocess: request id=... audio_seconds=3.2
//   outcome=ok JSON: {"time":"...","level":"info","program":"...","event":"request","id":"...",...}
#ifndef SHOAL_COMMON_SERVICE_LOG_H_
#define SHOAL_COMMON_SERVICE_LOG_H_

#include <concepts>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"

namespace shoal::service {

struct LogOptions {
  std::string level = "info";   // trace, debug, info, warning, error
  std::string format = "text";  // text, json
};

// Called by main once, before other threads start. INVALID_ARGUMENT names the option.
absl::Status SetUpLog(const LogOptions& options, const std::string& program);

// One line with named fields, in the order in which they were added. A key is a constant of the
// code in snake_case. Used by one thread, written once.
class LogLine {
 public:
  explicit LogLine(absl::string_view event);

  LogLine& Add(absl::string_view key, absl::string_view value);
  LogLine& Add(absl::string_view key, const char* value) {
    return Add(key, absl::string_view(value));
  }
  LogLine& Add(absl::string_view key, const std::string& value) {
    return Add(key, absl::string_view(value));
  }
  LogLine& Add(absl::string_view key, double value);  // not finite: null
  LogLine& Add(absl::string_view key, bool value);
  template <std::integral T>
  requires(!std::same_as<T, bool>) LogLine& Add(absl::string_view key, T value) {
    return AddJson(key, nlohmann::ordered_json(value));
  }

  void Write(spdlog::level::level_enum level = spdlog::level::info) const;

  std::string Text() const;  // event key=value key="value with spaces"
  std::string Json() const;  // {"event":...,"key":...}

 private:
  LogLine& AddJson(absl::string_view key, nlohmann::ordered_json value);

  nlohmann::ordered_json fields_;
};

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_LOG_H_
