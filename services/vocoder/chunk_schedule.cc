#include "services/vocoder/chunk_schedule.h"

#include <algorithm>
#include <tuple>

namespace shoal::vocoder {
namespace {

// The largest of 1, 2, 4, ... that is no more than `limit`; 0 when that is less than 1.
int PowerOfTwo(int limit) {
  int power = limit < 1 ? 0 : 1;
  while (power > 0 && power <= limit / 2) power *= 2;
  return power;
}

}  // namespace

int ChunkSchedule::Largest(const Candidate& candidate) const {
  const int most = candidate.most > 0 ? std::min(candidate.most, options_.max_frames_per_chunk)
                                      : options_.max_frames_per_chunk;
  int frames = PowerOfTwo(most);
  if (candidate.whole_file) return frames;
  if (!candidate.begun) return 1;
  while (frames > 1 && Needed(frames) >= candidate.buffered) frames /= 2;
  return frames;
}

int ChunkSchedule::Frames(const Candidate& candidate) const {
  const int wanted = Largest(candidate);
  if (candidate.ready >= wanted) return wanted;
  return candidate.more ? 0 : PowerOfTwo(candidate.ready);
}

std::optional<ChunkSchedule::Seconds> ChunkSchedule::TimeUntilDue(
    const Candidate& candidate) const {
  if (candidate.ready == 0) return std::nullopt;
  if (Frames(candidate) > 0) return Seconds(0);
  if (candidate.whole_file) return std::nullopt;
  // Once the buffer is too small for twice the frames that are there, these will do. A little
  // later, so that rounding makes nobody look too early.
  return candidate.buffered - Needed(2 * PowerOfTwo(candidate.ready)) + Seconds(1e-3);
}

std::vector<ChunkSchedule::Chunk> ChunkSchedule::Choose(
    absl::Span<const Candidate> candidates) const {
  std::vector<Chunk> due;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (const int frames = Frames(candidates[i]); frames > 0) due.push_back({i, frames});
  }
  const auto urgency = [&](const Chunk& chunk) {
    const Candidate& c = candidates[chunk.candidate];
    return std::tuple(c.whole_file, c.whole_file ? Seconds(0) : c.buffered, c.served,
                      chunk.candidate);
  };
  std::sort(due.begin(), due.end(),
            [&](const Chunk& a, const Chunk& b) { return urgency(a) < urgency(b); });
  // Listeners may fill every step; a file must still come to its end some day.
  const auto file = std::find_if(due.begin(), due.end(), [&](const Chunk& chunk) {
    return candidates[chunk.candidate].whole_file;
  });
  if (file != due.end() && options_.max_batch > 1) std::rotate(due.begin(), file, file + 1);

  std::vector<Chunk> step;
  int room = options_.max_frames_per_step;
  for (Chunk& chunk : due) {
    if (static_cast<int>(step.size()) == options_.max_batch || room == 0) break;
    chunk.frames = std::min(chunk.frames, PowerOfTwo(room));
    room -= chunk.frames;
    step.push_back(chunk);
  }
  std::stable_sort(step.begin(), step.end(),
                   [](const Chunk& a, const Chunk& b) { return a.frames < b.frames; });
  return step;
}

}  // namespace shoal::vocoder
