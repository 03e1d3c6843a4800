// CodeMemory: the codes of a stream's last frames, from which its decoder state can be made again.
// Frames are numbered by their position in the stream, over all turns.
//
// Owned by one stream of the decode loop; one thread. Holds at most `capacity` frames.
#ifndef SHOAL_SERVICES_VOCODER_CODE_MEMORY_H_
#define SHOAL_SERVICES_VOCODER_CODE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/types/span.h"

namespace shoal::vocoder {

class CodeMemory {
 public:
  CodeMemory(int num_codebooks, size_t capacity)
      : num_codebooks_(num_codebooks), capacity_(capacity) {}

  // Positions [begin, end) are remembered; the next frame is `end`.
  uint64_t begin() const { return end_ - codes_.size() / num_codebooks_; }
  uint64_t end() const { return end_; }

  // The stream has come to `position`; codes (n, num_codebooks), n <= position, are its last ones.
  void Start(uint64_t position, absl::Span<const int32_t> codes);
  // codes: (n, num_codebooks) of the next frames.
  void Append(absl::Span<const int32_t> codes);
  // Forgets positions from `end` on. REQUIRES: begin() <= end <= this->end().
  void Truncate(uint64_t end);
  // (n, num_codebooks). REQUIRES: begin() <= first, first + n <= end().
  std::vector<int32_t> Read(uint64_t first, int n) const;

 private:
  const size_t num_codebooks_;
  const size_t capacity_;
  uint64_t end_ = 0;
  std::deque<int32_t> codes_;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_CODE_MEMORY_H_
