#include "tests/system/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>

namespace shoal::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

void Redirect(int descriptor, const std::string& path, int flags) {
  const int file = open(path.c_str(), flags, 0644);
  if (file < 0 || dup2(file, descriptor) < 0) _exit(127);
  close(file);
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Process::Process(Options options) : options_(std::move(options)) {
  std::vector<char*> argv = Pointers(options_.command);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  if (pid_ == 0) {
    for (const auto& [name, value] : options_.environment) {
      setenv(name.c_str(), value.c_str(), 1);
    }
    const int append = O_WRONLY | O_CREAT | O_APPEND;
    Redirect(0, options_.input_file.empty() ? "/dev/null" : options_.input_file, O_RDONLY);
    Redirect(2, options_.log_file, append);
    Redirect(1, options_.output_file.empty() ? options_.log_file : options_.output_file, append);
    execv(argv[0], argv.data());
    _exit(127);
  }
  pid_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (pid_fd_ < 0) throw std::runtime_error(std::string("pidfd_open: ") + std::strerror(errno));
}

Process::~Process() {
  if (Running()) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (pid_fd_ >= 0) close(pid_fd_);
}

void Process::Signal(int signal) { kill(pid_, signal); }

bool Process::EndsWithin(milliseconds time) {
  if (status_ >= 0) return true;
  pollfd ended = {.fd = pid_fd_, .events = POLLIN, .revents = 0};
  if (poll(&ended, 1, static_cast<int>(time.count())) <= 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return false;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

bool Process::Running() { return !EndsWithin(milliseconds(0)); }

int Process::Wait(std::chrono::seconds deadline) {
  if (!EndsWithin(deadline)) {
    throw std::runtime_error(options_.command[0] + " did not end in time; its log ends:\n" +
                             LastLines(Log(), 4000));
  }
  return status_;
}

void Process::WaitUntil(const std::string& what, const std::function<bool()>& condition,
                        std::chrono::seconds deadline) {
  const auto end = steady_clock::now() + deadline;
  while (!condition()) {
    const bool ended = EndsWithin(milliseconds(10));
    if (ended || steady_clock::now() > end) {
      throw std::runtime_error(options_.command[0] + (ended ? " ended" : " took too long") +
                               " before: " + what + "; its log ends:\n" + LastLines(Log(), 4000));
    }
  }
}

std::string Process::Log() const { return ReadFile(options_.log_file); }

std::string LastLines(const std::string& text, size_t bytes) {
  return text.size() <= bytes ? text : text.substr(text.size() - bytes);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// Below the ports that the kernel gives to outgoing connections, so that none takes it meanwhile.
int FreePort() {
  static std::mt19937 random{std::random_device{}()};
  static std::set<int> given;  // and perhaps not listened on yet
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int port = std::uniform_int_distribution<int>(10000, 30000)(random);
    const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = bind(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(socket_fd);
    if (free && given.insert(port).second) return port;
  }
  throw std::runtime_error("no free port on loopback");
}

std::string MakeScratchFolder(const std::string& name) {
  std::string pattern = (std::filesystem::temp_directory_path() / (name + "-XXXXXX")).string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  return pattern;
}

}  // namespace shoal::testing
