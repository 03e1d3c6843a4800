#include "common/service/log.h"

#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "spdlog/formatter.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace shoal::service {
namespace {

// The logger whose messages are JSON objects already; there is one only in JSON format.
constexpr char kJsonLines[] = "shoal json lines";

std::string Dump(const nlohmann::ordered_json& value) {
  // Bytes that are no UTF-8 become U+FFFD instead of an exception.
  return value.dump(-1, ' ', /*ensure_ascii=*/false,
                    nlohmann::ordered_json::error_handler_t::replace);
}

absl::string_view LevelName(spdlog::level::level_enum level) {
  const spdlog::string_view_t name = spdlog::level::to_string_view(level);
  return absl::string_view(name.data(), name.size());
}

std::string Time(spdlog::log_clock::time_point time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromChrono(time), absl::UTCTimeZone());
}

// Keeps a message on one line: control characters appear as \n, \x1b and so on.
void AppendEscaped(absl::string_view text, std::string* out) {
  for (const char c : text) {
    if (c == '\n') {
      out->append("\\n");
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppend(out, "\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      out->push_back(c);
    }
  }
}

class TextFormatter final : public spdlog::formatter {
 public:
  explicit TextFormatter(std::string program) : program_(std::move(program)) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    std::string line =
        absl::StrCat(Time(message.time), " ", LevelName(message.level), " ", program_, ": ");
    AppendEscaped(absl::string_view(message.payload.data(), message.payload.size()), &line);
    line.push_back('\n');
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<TextFormatter>(program_);
  }

 private:
  const std::string program_;
};

class JsonFormatter final : public spdlog::formatter {
 public:
  explicit JsonFormatter(std::string program) : program_(std::move(program)) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string payload(message.payload.data(), message.payload.size());
    const nlohmann::ordered_json head = {{"time", Time(message.time)},
                                         {"level", std::string(LevelName(message.level))},
                                         {"program", program_}};
    std::string line = Dump(head);
    line.pop_back();  // }
    const absl::string_view logger(message.logger_name.data(), message.logger_name.size());
    if (logger == kJsonLines) {
      absl::StrAppend(&line, ",", payload.substr(1), "\n");
    } else {
      absl::StrAppend(&line, ",\"message\":", Dump(payload), "}\n");
    }
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>(program_);
  }

 private:
  const std::string program_;
};

}  // namespace

absl::Status SetUpLog(const LogOptions& options, const std::string& program) {
  if (options.format != "text" && options.format != "json") {
    return absl::InvalidArgumentError(
        absl::StrCat("log format: expected text or json, got \"", options.format, "\""));
  }
  const spdlog::level::level_enum level = spdlog::level::from_str(options.level);
  if (level == spdlog::level::off) {  // also what from_str makes of a name it does not know
    return absl::InvalidArgumentError(absl::StrCat(
        "log level: expected trace, debug, info, warning or error, got \"", options.level, "\""));
  }
  const bool json = options.format == "json";
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  if (json) {
    sink->set_formatter(std::make_unique<JsonFormatter>(program));
  } else {
    sink->set_formatter(std::make_unique<TextFormatter>(program));
  }
  spdlog::drop(kJsonLines);
  auto logger = std::make_shared<spdlog::logger>(program, sink);
  logger->set_level(level);
  spdlog::set_default_logger(std::move(logger));
  if (json) {
    auto lines = std::make_shared<spdlog::logger>(kJsonLines, sink);
    lines->set_level(level);
    spdlog::register_logger(std::move(lines));
  }
  return absl::OkStatus();
}

LogLine::LogLine(absl::string_view event) { AddJson("event", std::string(event)); }

LogLine& LogLine::Add(absl::string_view key, absl::string_view value) {
  return AddJson(key, std::string(value));
}

LogLine& LogLine::Add(absl::string_view key, double value) {
  return AddJson(key, std::isfinite(value) ? nlohmann::ordered_json(value) : nullptr);
}

LogLine& LogLine::Add(absl::string_view key, bool value) { return AddJson(key, value); }

LogLine& LogLine::AddJson(absl::string_view key, nlohmann::ordered_json value) {
  fields_[std::string(key)] = std::move(value);
  return *this;
}

void LogLine::Write(spdlog::level::level_enum level) const {
  if (const auto lines = spdlog::get(kJsonLines)) {
    lines->log(level, Json());
  } else {
    spdlog::log(level, Text());
  }
}

std::string LogLine::Text() const {
  std::string text;
  for (const auto& [key, value] : fields_.items()) {
    if (text.empty()) {
      text = value.get<std::string>();  // the event
      continue;
    }
    absl::StrAppend(&text, " ", key, "=");
    if (value.is_string()) {
      const auto& string = value.get_ref<const std::string&>();
      const bool plain = !string.empty() && string.find_first_of(" =\"\\\n\t") == string.npos;
      absl::StrAppend(&text, plain ? string : Dump(value));
    } else {
      absl::StrAppend(&text, Dump(value));
    }
  }
  return text;
}

std::string LogLine::Json() const { return Dump(fields_); }

}  // namespace shoal::service
