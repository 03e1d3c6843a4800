#include "tests/bench/voice_workload.h"

#include <utility>

namespace shoal::bench {

using engine::Request;

VoiceWorkload::VoiceWorkload(const Speech& speech, uint64_t seed) : speech_(speech), random_(seed) {
  for (int rank = 1; rank <= kVoices; ++rank) {
    popularity_.push_back(1.0 / rank);
    Request voice;
    const double seconds = Between(1000, 3000) / 100.0;
    // Instructions and transcript.
    AddText(voice, 20 + static_cast<int>(seconds * speech.tokens_per_second));
    AddFrames(voice, static_cast<int>(seconds * speech.frames_per_second));
    voice.pinned_length = static_cast<int32_t>(voice.token_ids.size());
    voices_.push_back(std::move(voice));
  }
}

int VoiceWorkload::Between(int least, int most) {
  return std::uniform_int_distribution<int>(least, most)(random_);
}

void VoiceWorkload::AddText(Request& request, int tokens) {
  for (int i = 0; i < tokens; ++i) request.token_ids.push_back(Between(0, kSemanticStart - 1));
  request.codes.insert(request.codes.end(), static_cast<size_t>(tokens * kCodebooks), 0);
}

void VoiceWorkload::AddFrames(Request& request, int frames) {
  for (int i = 0; i < frames; ++i) {
    const int32_t semantic = Between(0, kSemanticCodes - 1);
    request.token_ids.push_back(kSemanticStart + semantic);
    request.codes.push_back(semantic);
    for (int k = 1; k < kCodebooks; ++k) request.codes.push_back(Between(0, kSemanticCodes - 1));
  }
}

int VoiceWorkload::FramesOf(int tokens) const {
  return static_cast<int>(tokens * speech_.frames_per_second / speech_.tokens_per_second);
}

bool VoiceWorkload::GoesOn(const Client& client, int tokens) const {
  const int length = static_cast<int>(client.last.token_ids.size());
  return client.turns_left > 0 && length + tokens + FramesOf(tokens) <= kMaxPositions;
}

Request VoiceWorkload::Next(Client& client) {
  const int tokens = Between(50, 200);
  Request request;
  if (GoesOn(client, tokens)) {
    request = std::move(client.last);
    known_positions_ += static_cast<int64_t>(request.token_ids.size());
    ++request.turn;
    --client.turns_left;
  } else {
    const int voice =
        std::discrete_distribution<int>(popularity_.begin(), popularity_.end())(random_);
    request = voices_[static_cast<size_t>(voice)];
    const bool known = !heard_.insert(voice).second;
    if (known) known_positions_ += request.pinned_length;
    client.turns_left = Between(1, 5) <= 2 ? Between(1, 4) : 0;
  }
  AddText(request, tokens);
  request.stream = {.front = 1, .high = 0, .low = ++requests_};
  request.prompt_length = static_cast<int32_t>(request.token_ids.size());
  request.max_frames = FramesOf(tokens);
  request.frame_seconds = 1 / speech_.frames_per_second;
  request.sampling.seed = requests_;
  prompt_positions_ += request.prompt_length;
  return request;
}

}  // namespace shoal::bench
