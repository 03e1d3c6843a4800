// Where the audio goes, as a WAV file of mono int16: a named file, or what is open already, such as
// standard output. Owned by one thread.
//
// A named file grows under a temporary name beside it and takes its own name in Finish(), so that
// whoever looks sees the whole or nothing; without Finish() it is removed. Sizes in the header are
// exact wherever the output can be rewound; a pipe keeps the header of a stream.
#ifndef SHOAL_CLIENT_WAV_OUTPUT_H_
#define SHOAL_CLIENT_WAV_OUTPUT_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::client {

class WavOutput {
 public:
  // A path that exists and is no regular file (a pipe, a device) is written to directly.
  static absl::StatusOr<WavOutput> Create(const std::string& path);

  // `fd` stays the caller's; `name` is what messages call it.
  static WavOutput To(int fd, const std::string& name);

  WavOutput(WavOutput&& other) noexcept;
  WavOutput& operator=(WavOutput&&) = delete;
  ~WavOutput();

  // First, once: the header.
  absl::Status Begin(uint32_t sample_rate);

  // Then int16 samples, little-endian.
  absl::Status Append(absl::string_view bytes);

  // No other call may follow.
  absl::Status Finish();

  bool begun() const { return sample_rate_ != 0; }
  uint64_t data_bytes() const { return data_bytes_; }
  const std::string& name() const { return name_; }

 private:
  WavOutput(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  absl::Status Write(absl::string_view bytes);
  absl::Status Failed(absl::string_view doing) const;  // with errno

  int fd_;
  bool owned_ = false;
  std::string name_;
  std::string final_path_;      // where the file goes in the end
  std::string temporary_path_;  // where it is until then; empty = nowhere
  uint32_t sample_rate_ = 0;
  std::optional<off_t> header_at_;  // where the header can be written again
  uint64_t data_bytes_ = 0;
};

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_WAV_OUTPUT_H_
