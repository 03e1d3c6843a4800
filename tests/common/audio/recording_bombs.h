// Small files that ask for much: hours from a few bytes, false claims of every kind. Each must be
// refused in the memory of an honest file.
#ifndef SHOAL_TESTS_COMMON_AUDIO_RECORDING_BOMBS_H_
#define SHOAL_TESTS_COMMON_AUDIO_RECORDING_BOMBS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::testing {

struct Bomb {
  std::string name;
  std::string bytes;
};

// Bombs whose hours are real last `seconds`.
std::vector<Bomb> RecordingBombs(double seconds);

// Files of `bytes` with next to no audio in them, of what a reader may go over many times.
std::vector<Bomb> LargeFilesOfNothing(size_t bytes);

// Files of less than a second that claim to be longer.
std::vector<Bomb> FalseClaims();

// An OGG page with a right checksum; `lacing` and `body` as they are written.
std::string OggPage(uint8_t flags, uint64_t granule, uint32_t serial, uint32_t sequence,
                    absl::string_view lacing, absl::string_view body);

// A WAV file of these claims with `data` behind them.
std::string ClaimingWav(uint16_t tag, uint16_t channels, uint32_t rate, uint16_t align,
                        uint16_t bits, uint32_t data_size, absl::string_view data);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_COMMON_AUDIO_RECORDING_BOMBS_H_
