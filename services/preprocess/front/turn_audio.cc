#include "services/preprocess/front/turn_audio.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::preprocess {

absl::Status TurnAudio::Add(Chunk chunk, std::vector<Chunk>* ready) {
  if (chunk.frames > std::numeric_limits<uint32_t>::max() - chunk.frame) {
    return absl::DataLossError("audio of a frame beyond the last possible one");
  }
  const uint32_t chunk_end = chunk.frame + chunk.frames;
  if ((end_ && chunk_end > *end_) || (chunk.last && end_ && chunk_end != *end_)) {
    return absl::DataLossError(absl::StrCat("audio of frames up to ", chunk_end,
                                            " in a turn that ended at frame ", *end_));
  }
  if (chunk.last && chunk_end < next_frame_) {
    return absl::DataLossError(absl::StrCat("the turn ends at frame ", chunk_end,
                                            " when those before ", next_frame_, " are out"));
  }
  if (chunk.last) end_ = chunk_end;
  if (chunk.frames == 0) return absl::OkStatus();
  if (chunk.frame < next_frame_ || held_.count(chunk.frame) > 0) {
    // Chunks are never cut anew within an attempt: what begins before, was all there before.
    if (chunk_end > next_frame_ && chunk.frame < next_frame_) {
      return absl::DataLossError(absl::StrCat("audio of frames ", chunk.frame, " to ", chunk_end,
                                              " when those before ", next_frame_, " are out"));
    }
    ++repeats_;
    return absl::OkStatus();
  }
  held_.emplace(chunk.frame, std::move(chunk));
  while (!held_.empty() && held_.begin()->first == next_frame_) {
    Chunk next = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    next_frame_ += next.frames;
    ready->push_back(std::move(next));
  }
  if (held_.size() > max_held_) {
    return absl::DataLossError(absl::StrCat("audio of frame ", next_frame_, " is missing, ",
                                            held_.size(), " later pieces are there"));
  }
  return absl::OkStatus();
}

}  // namespace shoal::preprocess
