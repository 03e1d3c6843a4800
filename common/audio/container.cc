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

absl::Status CheckWavFormat(absl::string_view chunk, ContainerFacts* facts) {
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
  facts->channels = LittleEndian(chunk, 2, 2);
  facts->sample_rate = LittleEndian(chunk, 4, 4);
  if (facts->channels == 0 || facts->sample_rate == 0) {
    return absl::InvalidArgumentError("the WAV file's fmt chunk says 0 channels or 0 Hz");
  }
  return absl::OkStatus();
}

// Every chunk up to the end is looked at: a reader keeps note of each.
absl::Status CheckWav(absl::string_view file, ContainerFacts* facts) {
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
      if (absl::Status status = CheckWavFormat(file.substr(at + 8, size), facts); !status.ok()) {
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

// The first metadata block is STREAMINFO.
absl::Status CheckFlac(absl::string_view file, ContainerFacts* facts) {
  constexpr size_t kHeader = 8, kStreamInfo = 34;
  if (file.size() < kHeader + kStreamInfo) {
    return absl::InvalidArgumentError("the file is cut short: it ends within the FLAC header");
  }
  const absl::string_view info = file.substr(kHeader, kStreamInfo);
  if ((file[4] & 0x7f) != 0 || file.substr(5, 3) != absl::string_view("\0\0\x22", 3)) {
    return absl::InvalidArgumentError("the FLAC file does not begin with STREAMINFO");
  }
  // From byte 10: 20 bits of rate, 3 of channels less one, 5 of width, 36 of samples.
  uint64_t bits = 0;
  for (size_t i = 10; i < 18; ++i) bits = bits << 8 | static_cast<uint8_t>(info[i]);
  facts->sample_rate = static_cast<int64_t>(bits >> 44);
  facts->channels = static_cast<int64_t>(bits >> 41 & 7) + 1;
  facts->frames = static_cast<int64_t>(bits & ((uint64_t{1} << 36) - 1));
  if (facts->sample_rate == 0) return absl::InvalidArgumentError("the FLAC file says 0 Hz");
  return absl::OkStatus();
}

bool IsMp3(absl::string_view file) {
  if (absl::StartsWith(file, "ID3")) return true;
  if (file.size() < 4) return false;
  const uint8_t first = file[0], second = file[1];
  return first == 0xff && (second & 0xe0) == 0xe0 && (second & 0x06) != 0;
}

}  // namespace

absl::StatusOr<ContainerFacts> InspectContainer(absl::string_view file) {
  ContainerFacts facts;
  absl::Status status;
  if (absl::StartsWith(file, "RIFF") && file.size() >= 12 && file.substr(8, 4) == "WAVE") {
    facts.kind = Container::kWav;
    status = CheckWav(file, &facts);
  } else if (absl::StartsWith(file, "fLaC")) {
    facts.kind = Container::kFlac;
    status = CheckFlac(file, &facts);
  } else if (absl::StartsWith(file, "OggS")) {
    facts.kind = Container::kOgg;
    const absl::StatusOr<OggFacts> stream = CheckOgg(file);
    if (!stream.ok()) return stream.status();
    facts.channels = stream->channels;
    facts.sample_rate = stream->sample_rate;
  } else if (IsMp3(file)) {
    facts.kind = Container::kMp3;
  } else {
    status = absl::InvalidArgumentError(
        "not an audio file this server reads: expected WAV, FLAC, OGG or MP3");
  }
  if (!status.ok()) return status;
  return facts;
}

}  // namespace shoal::audio
