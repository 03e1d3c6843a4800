#include "common/audio/vorbis_headers.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace shoal::audio {
namespace {

// What a decoder allocates follows from the entries of all codebooks. libvorbis's own encoder uses
// up to twenty thousand.
constexpr uint32_t kMaxEntries = 1 << 16;

// Bits of a packet, the least significant of each byte first. Past the end all are 0 and ok() is
// false.
class BitReader {
 public:
  explicit BitReader(absl::string_view bytes) : bytes_(bytes) {}

  uint32_t Read(int bits) {
    uint32_t value = 0;
    for (int i = 0; i < bits; ++i) value |= ReadBit() << i;
    return value;
  }
  void Skip(uint64_t bits) {
    const uint64_t end = uint64_t{bytes_.size()} * 8;
    if (bits > end - at_) {
      ok_ = false;
      at_ = end;
    } else {
      at_ += bits;
    }
  }
  bool ok() const { return ok_; }

 private:
  uint32_t ReadBit() {
    if (at_ / 8 >= bytes_.size()) {
      ok_ = false;
      return 0;
    }
    const uint32_t bit = static_cast<uint8_t>(bytes_[at_ / 8]) >> (at_ % 8) & 1;
    ++at_;
    return bit;
  }

  absl::string_view bytes_;
  uint64_t at_ = 0;
  bool ok_ = true;
};

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the OGG file's Vorbis headers are damaged: ", what));
}

int BitsFor(uint32_t value) {
  int bits = 0;
  for (; value > 0; value >>= 1) ++bits;
  return bits;
}

// The most values a dimension can have so that all their combinations are at most `entries`.
uint32_t ValuesPerDimension(uint32_t entries, uint32_t dimensions) {
  const auto fits = [&](uint32_t values) {
    uint64_t combinations = 1;
    for (uint32_t i = 0; i < dimensions && combinations <= entries; ++i) combinations *= values;
    return combinations <= entries;
  };
  uint32_t values = 0;
  if (dimensions == 0) return 0;
  while (values < entries && fits(values + 1)) ++values;
  return values;
}

absl::Status CheckIdentification(absl::string_view packet) {
  if (packet.size() < 30) return Bad("the first one is too short");
  BitReader bits(packet.substr(7));
  const uint32_t version = bits.Read(32), channels = bits.Read(8), rate = bits.Read(32);
  bits.Skip(3 * 32);  // bit rates
  const uint32_t short_block = bits.Read(4), long_block = bits.Read(4), framing = bits.Read(1);
  const bool blocks_ok = short_block >= 6 && short_block <= long_block && long_block <= 13;
  if (version != 0 || channels == 0 || rate == 0 || rate > INT32_MAX || !blocks_ok ||
      framing != 1) {
    return Bad("the first one has impossible values");
  }
  return absl::OkStatus();
}

absl::Status SkipLengths(uint32_t entries, BitReader* bits) {
  if (bits->Read(1) == 0) {
    const bool sparse = bits->Read(1) == 1;
    for (uint32_t i = 0; i < entries && bits->ok(); ++i) {
      if (!sparse || bits->Read(1) == 1) bits->Skip(5);
    }
    return absl::OkStatus();
  }
  bits->Skip(5);
  uint32_t done = 0;
  // At most 32 lengths follow each other.
  for (int length = 0; done < entries; ++length) {
    const uint32_t count = bits->Read(BitsFor(entries - done));
    if (count > entries - done || length > 32 || !bits->ok())
      return Bad("a codebook is impossible");
    done += count;
  }
  return absl::OkStatus();
}

absl::Status CheckCodebook(BitReader* bits, uint32_t* total_entries) {
  constexpr uint32_t kSync = 0x564342;
  if (bits->Read(24) != kSync) return Bad("a codebook does not begin as one");
  const uint32_t dimensions = bits->Read(16), entries = bits->Read(24);
  *total_entries += entries;
  if (*total_entries > kMaxEntries) {
    return absl::InvalidArgumentError(
        absl::StrCat("the OGG file's Vorbis codebooks have more than ", kMaxEntries, " entries"));
  }
  if (absl::Status status = SkipLengths(entries, bits); !status.ok()) return status;
  const uint32_t lookup = bits->Read(4);
  if (lookup > 2) return Bad("a codebook is of an unknown kind");
  if (lookup > 0) {
    bits->Skip(2 * 32);  // least value and step
    const uint32_t width = bits->Read(4) + 1;
    bits->Skip(1);
    const uint64_t values =
        lookup == 1 ? ValuesPerDimension(entries, dimensions) : uint64_t{entries} * dimensions;
    bits->Skip(values * width);
  }
  return bits->ok() ? absl::OkStatus() : Bad("a codebook is cut short");
}

}  // namespace

bool IsVorbisIdentification(absl::string_view packet) {
  return absl::StartsWith(packet, absl::string_view("\x01vorbis", 7));
}

absl::Status CheckVorbisHeaders(absl::Span<const std::string> packets) {
  if (packets.size() != 3) return Bad("there must be three");
  if (!IsVorbisIdentification(packets[0]) || !absl::StartsWith(packets[1], "\x03vorbis") ||
      !absl::StartsWith(packets[2], "\x05vorbis")) {
    return Bad("they must be identification, comments and codebooks");
  }
  if (absl::Status status = CheckIdentification(packets[0]); !status.ok()) return status;
  BitReader bits(absl::string_view(packets[2]).substr(7));
  const uint32_t codebooks = bits.Read(8) + 1;
  uint32_t total_entries = 0;
  for (uint32_t i = 0; i < codebooks; ++i) {
    if (absl::Status status = CheckCodebook(&bits, &total_entries); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace shoal::audio
