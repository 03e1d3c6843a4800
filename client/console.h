// Where a command reads and writes: the process's standard streams, or a test's files.
#ifndef SHOAL_CLIENT_CONSOLE_H_
#define SHOAL_CLIENT_CONSOLE_H_

#include <unistd.h>

#include <cstdio>

namespace shoal::client {

// Exit codes of every command.
inline constexpr int kOk = 0;
inline constexpr int kRefused = 1;   // the server said no, or could not be reached; or the disk
inline constexpr int kBadUsage = 2;  // the command line, a file it names, or text that is not UTF-8
inline constexpr int kInterrupted = 130;  // as shells report SIGINT

struct Console {
  int input = STDIN_FILENO;
  std::FILE* output = stdout;
  std::FILE* error = stderr;
};

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_CONSOLE_H_
