#include "common/audio/container.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/audio/ogg_pages.h"

namespace shoal::audio {
namespace {

// `at + width` must lie within `bytes`.
uint32_t LittleEndian(absl::string_view bytes, size_t at, int width) {
  uint32_t value = 0;
  for (int i = width - 1; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

absl::Status CutShort(absl::string_view what, size_t declared, size_t present) {
  return absl::InvalidArgumentError(absl::StrCat("the file is cut short: ", what, " declares ",
                                                 declared, " bytes, ", present, " are there"));
}

absl::Status CheckWavFormat(absl::string_view chunk) {
  if (chunk.size() < 16) {
    return absl::InvalidArgumentError("the WAV file's fmt chunk is shorter than 16 bytes");
  }
  constexpr uint32_t kPcm = 1, kFloat = 3, kAlaw = 6, kMulaw = 7, kExtensible = 0xfffe;
  uint32_t tag = LittleEndian(chunk, 0, 2);
  // The true tag is the start of the sub-format's GUID.
  if (tag == kExtensible && chunk.size() >= 26) tag = LittleEndian(chunk, 24, 2);
  if (tag != kPcm && tag != kFloat && tag != kAlaw && tag != kMulaw) {
    return absl::InvalidArgumentError(
        absl::StrCat("the WAV file's format tag is ", tag,
                     "; expected PCM (1), float (3), A-law (6) or mu-law (7)"));
  }
  return absl::OkStatus();
}

// Every chunk up to the end is looked at: a reader keeps note of each.
absl::Status CheckWav(absl::string_view file) {
  // Programs that write to a pipe cannot know the size and leave one of these.
  constexpr uint32_t kLeastStreamedSize = 0x7ffff000;
  constexpr int kMaxChunks = 256;
  bool format_seen = false, data_seen = false;
  int chunks = 0;
  for (size_t at = 12; at + 8 <= file.size();) {
    const absl::string_view id = file.substr(at, 4);
    const uint32_t size = LittleEndian(file, at + 4, 4);
    const size_t present = file.size() - at - 8;
    const bool streamed = id == "data" && size >= kLeastStreamedSize;
    if (++chunks > kMaxChunks) {
      return absl::InvalidArgumentError(
          absl::StrCat("the WAV file has more than ", kMaxChunks, " chunks"));
    }
    if (id == "data" && !format_seen) {
      return absl::InvalidArgumentError("the WAV file has no fmt chunk before its data chunk");
    }
    // What comes after the samples may be anything.
    if (size > present && !streamed && !data_seen) {
      return CutShort(absl::StrCat("the WAV file's ", id == "data" ? "data chunk" : "header"), size,
                      present);
    }
    if (id == "fmt ") {
      if (size > present) break;
      if (absl::Status status = CheckWavFormat(file.substr(at + 8, size)); !status.ok()) {
        return status;
      }
      format_seen = true;
    }
    data_seen = data_seen || id == "data";
    at += 8 + size_t{size} + (size & 1);  // chunks are padded to even sizes
  }
  if (data_seen) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the WAV file is cut short: it ends before a data chunk was found");
}

bool IsMp3(absl::string_view file) {
  if (absl::StartsWith(file, "ID3")) return true;
  if (file.size() < 4) return false;
  const uint8_t first = file[0], second = file[1];
  return first == 0xff && (second & 0xe0) == 0xe0 && (second & 0x06) != 0;
}

}  // namespace

absl::StatusOr<Container> InspectContainer(absl::string_view file) {
  if (absl::StartsWith(file, "RIFF") && file.size() >= 12 && file.substr(8, 4) == "WAVE") {
    if (absl::Status status = CheckWav(file); !status.ok()) return status;
    return Container::kWav;
  }
  if (absl::StartsWith(file, "fLaC")) return Container::kFlac;
  if (absl::StartsWith(file, "OggS")) {
    if (absl::Status status = CheckOgg(file); !status.ok()) return status;
    return Container::kOgg;
  }
  if (IsMp3(file)) return Container::kMp3;
  return absl::InvalidArgumentError(
      "not an audio file this server reads: expected WAV, FLAC, OGG or MP3");
}

}  // namespace shoal::audio
