// A child process of a system test: started with arguments and environment, its stderr kept in a
// file, killed with its owner. Every wait has a deadline and ends early when the child dies.

#ifndef SHOAL_TESTS_SYSTEM_PROCESS_H_
#define SHOAL_TESTS_SYSTEM_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace shoal::testing {

class Process {
 public:
  struct Options {
    std::vector<std::string> command;                // argv, the binary's path first
    std::map<std::string, std::string> environment;  // added to the test's own
    std::string log_file;                            // gets stderr
    std::string output_file;                         // gets stdout; empty = the same as stderr
    std::string input_file;                          // stdin; empty = /dev/null
  };

  // Throws std::runtime_error when the process cannot be started.
  explicit Process(Options options);
  ~Process();  // SIGKILL, if it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal);

  // Exit status, or 128 + signal. Throws when it has not ended within `deadline`.
  int Wait(std::chrono::seconds deadline = std::chrono::seconds(30));

  // Returns once `condition` holds; throws with the end of the log when the process ends or the
  // deadline passes before that. The condition is tried every 10 ms and may block.
  void WaitUntil(const std::string& what, const std::function<bool()>& condition,
                 std::chrono::seconds deadline = std::chrono::seconds(60));

  bool Running();
  std::string Log() const;

 private:
  bool EndsWithin(std::chrono::milliseconds time);

  Options options_;
  pid_t pid_ = -1;
  int pid_fd_ = -1;
  int status_ = -1;  // once reaped
};

// The whole content of a file; empty when it cannot be read.
std::string ReadFile(const std::string& path);
std::string LastLines(const std::string& text, size_t bytes);  // what fits of its end

// A TCP port on loopback that nobody listened on a moment ago.
int FreePort();

// A new folder under the test's temporary directory.
std::string MakeScratchFolder(const std::string& name);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SYSTEM_PROCESS_H_
