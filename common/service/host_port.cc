#include "common/service/host_port.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace shoal::service {

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  auto wrong = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected host:port, got \"", text, "\": ", why));
  };
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return wrong("there is no port");
  absl::string_view host = text.substr(0, colon);
  const absl::string_view port = text.substr(colon + 1);
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return wrong("[ without ]");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != absl::string_view::npos) {
    return wrong("an IPv6 address stands in [brackets]");
  }
  if (host.empty()) return wrong("there is no host; all interfaces are 0.0.0.0 or [::]");
  uint32_t number = 0;
  // SimpleAtoi takes signs and blanks, a port has neither.
  if (port.empty() || !absl::ascii_isdigit(port.front()) || !absl::ascii_isdigit(port.back()) ||
      !absl::SimpleAtoi(port, &number) || number > 65535) {
    return wrong("the port is a number from 0 to 65535");
  }
  return HostPort{std::string(host), static_cast<uint16_t>(number)};
}

}  // namespace shoal::service
