// A file without a name that stands in for a standard stream. Owned by one thread.
#ifndef SHOAL_TESTS_CLIENT_TEMPORARY_FILE_H_
#define SHOAL_TESTS_CLIENT_TEMPORARY_FILE_H_

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

namespace shoal::client {

class TemporaryFile {
 public:
  std::FILE* stream() { return file_.get(); }

  // All that was written so far, by the stream or its descriptor.
  std::string Content() {
    std::fflush(file_.get());
    struct stat found = {};
    fstat(fileno(file_.get()), &found);
    std::string content(static_cast<size_t>(found.st_size), '\0');
    const ssize_t count = pread(fileno(file_.get()), content.data(), content.size(), 0);
    content.resize(count < 0 ? 0 : static_cast<size_t>(count));
    return content;
  }

 private:
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{std::tmpfile(), &std::fclose};
};

}  // namespace shoal::client

#endif  // SHOAL_TESTS_CLIENT_TEMPORARY_FILE_H_
