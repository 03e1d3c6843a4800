#include "common/transport/address.h"

#include <arpa/inet.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/service/host_port.h"

namespace shoal::transport {
namespace {

constexpr size_t kMaxInboxBytes = 256;
constexpr size_t kMaxPathBytes = sizeof(sockaddr_un{}.sun_path) - 1;

bool IsLoopback(const std::string& host) {
  if (host == "localhost" || host == "::1") return true;
  in_addr v4;
  return inet_pton(AF_INET, host.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

absl::Status Wrong(const std::string& address, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("address \"", absl::CHexEscape(address), "\": ", why));
}

absl::Status CheckPath(const std::string& address, absl::string_view path) {
  if (path.empty() || path.front() != '/' || path.back() == '/') {
    return Wrong(address, "expected ipc:///absolute/path");
  }
  if (path.size() > kMaxPathBytes) {
    return Wrong(address, absl::StrCat("the path of a socket has at most ", kMaxPathBytes,
                                       " bytes, this one ", path.size()));
  }
  return absl::OkStatus();
}

absl::Status PrepareFolder(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  if (mkdir(folder.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create the folder ", folder));
  }
  struct stat status;
  if (lstat(folder.c_str(), &status) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot look at the folder ", folder));
  }
  if (!S_ISDIR(status.st_mode) || (status.st_mode & 0777) != 0700 || status.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder,
                     ": the folder of an ipc socket must belong to this user alone (mode "
                     "0700), since whoever reaches the socket can send messages"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckInbox(const std::string& inbox) {
  if (inbox.size() > kMaxInboxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an inbox address has at most ", kMaxInboxBytes, " bytes"));
  }
  const bool clean = std::all_of(inbox.begin(), inbox.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '*' && c != ';';
  });
  if (!clean) return Wrong(inbox, "expected printable characters without * and ;");
  absl::string_view rest = inbox;
  if (absl::ConsumePrefix(&rest, "ipc://")) return CheckPath(inbox, rest);
  if (!absl::ConsumePrefix(&rest, "tcp://")) return Wrong(inbox, "expected tcp:// or ipc://");
  const absl::StatusOr<service::HostPort> where = service::ParseHostPort(rest);
  if (!where.ok()) return Wrong(inbox, where.status().message());
  if (where->port == 0) return Wrong(inbox, "the port is a number from 1 to 65535");
  return absl::OkStatus();
}

absl::Status PrepareBind(const std::string& address, bool allow_insecure_tcp) {
  absl::string_view rest = address;
  if (absl::ConsumePrefix(&rest, "ipc://")) {
    if (rest == "*") return absl::OkStatus();  // libzmq makes a private folder
    if (absl::Status status = CheckPath(address, rest); !status.ok()) return status;
    return PrepareFolder(std::string(rest));
  }
  if (!absl::ConsumePrefix(&rest, "tcp://")) return Wrong(address, "expected tcp:// or ipc://");
  std::string text(rest);
  if (absl::EndsWith(text, ":*")) text.back() = '0';  // any port
  const absl::StatusOr<service::HostPort> where = service::ParseHostPort(text);
  if (!where.ok()) return Wrong(address, where.status().message());
  if (!IsLoopback(where->host) && !allow_insecure_tcp) {
    return absl::FailedPreconditionError(
        absl::StrCat("address \"", address,
                     "\": refused, since messages are neither encrypted nor authenticated; bind "
                     "loopback or ipc://, or allow insecure TCP explicitly"));
  }
  return absl::OkStatus();
}

bool IsWildcard(const std::string& address) {
  absl::string_view rest = address;
  if (!absl::ConsumePrefix(&rest, "tcp://")) return false;
  return absl::StartsWith(rest, "0.0.0.0:") || absl::StartsWith(rest, "[::]:") ||
         absl::StartsWith(rest, "*:");
}

}  // namespace shoal::transport
