#include "common/audio/ogg_pages.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/audio/vorbis_headers.h"

namespace shoal::audio {
namespace {

constexpr size_t kHeaderBytes = 27;
constexpr size_t kChecksumAt = 22;
constexpr uint8_t kContinued = 1, kFirst = 2;
constexpr size_t kHeaderPackets = 3;   // of Vorbis; Opus has two
constexpr size_t kOpusHeadBytes = 19;  // at least

struct Page {
  uint8_t flags = 0;
  uint32_t serial = 0, sequence = 0;
  absl::string_view lacing;  // sizes of segments, one byte each
  absl::string_view body;
  size_t size = 0;
};

constexpr std::array<uint32_t, 256> ChecksumTable() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i << 24;
    for (int bit = 0; bit < 8; ++bit) {
      value = value << 1 ^ ((value & 0x80000000u) != 0 ? 0x04c11db7u : 0u);
    }
    table[i] = value;
  }
  return table;
}

// Of a page whose checksum field counts as zeros.
uint32_t Checksum(absl::string_view page) {
  static constexpr std::array<uint32_t, 256> kTable = ChecksumTable();
  uint32_t sum = 0;
  for (size_t i = 0; i < page.size(); ++i) {
    const bool in_field = i >= kChecksumAt && i < kChecksumAt + 4;
    const uint8_t byte = in_field ? 0 : static_cast<uint8_t>(page[i]);
    sum = sum << 8 ^ kTable[(sum >> 24 ^ byte) & 0xff];
  }
  return sum;
}

uint32_t LittleEndian(absl::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

absl::Status CutShort(size_t at) {
  return absl::InvalidArgumentError(
      absl::StrCat("the file is cut short: the OGG page at byte ", at, " is not whole"));
}

absl::Status Damaged(size_t at, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the file is damaged: the OGG page at byte ", at, " ", what));
}

absl::Status ReadPage(absl::string_view file, size_t at, Page* page) {
  const absl::string_view rest = file.substr(at);
  if (!absl::StartsWith(rest, "OggS")) return Damaged(at, "does not begin as one");
  if (rest.size() < kHeaderBytes) return CutShort(at);
  const size_t segments = static_cast<uint8_t>(rest[26]);
  if (rest.size() < kHeaderBytes + segments) return CutShort(at);
  page->lacing = rest.substr(kHeaderBytes, segments);
  size_t body = 0;
  for (const char size : page->lacing) body += static_cast<uint8_t>(size);
  page->size = kHeaderBytes + segments + body;
  if (rest.size() < page->size) return CutShort(at);
  page->body = rest.substr(kHeaderBytes + segments, body);
  page->flags = static_cast<uint8_t>(rest[5]);
  page->serial = LittleEndian(rest, 14);
  page->sequence = LittleEndian(rest, 18);
  if (Checksum(rest.substr(0, page->size)) != LittleEndian(rest, kChecksumAt)) {
    return Damaged(at, "has another checksum than it says");
  }
  return absl::OkStatus();
}

// The stream's first packets, put together from the pages that are added.
class HeaderPackets {
 public:
  void Add(const Page& page) {
    size_t at = 0;
    for (const char lacing : page.lacing) {
      if (packets_.size() == kHeaderPackets) return;
      const size_t size = static_cast<uint8_t>(lacing);
      open_.append(page.body.data() + at, size);
      at += size;
      if (size == 255) continue;  // more of the packet follows
      packets_.push_back(std::move(open_));
      open_.clear();
    }
  }

  absl::StatusOr<OggFacts> Check() const {
    const absl::string_view first = packets_.empty() ? absl::string_view() : packets_[0];
    if (absl::StartsWith(first, "OpusHead") && first.size() >= kOpusHeadBytes) {
      return OggFacts{static_cast<uint8_t>(first[9]), 0};
    }
    if (IsVorbisIdentification(first)) {
      if (absl::Status status = CheckVorbisHeaders(packets_); !status.ok()) return status;
      return OggFacts{static_cast<uint8_t>(first[11]), LittleEndian(first, 12)};
    }
    return absl::InvalidArgumentError("the OGG file holds no stream of Vorbis or Opus");
  }

 private:
  std::vector<std::string> packets_;
  std::string open_;
};

}  // namespace

absl::StatusOr<OggFacts> CheckOgg(absl::string_view file) {
  HeaderPackets headers;
  uint32_t serial = 0, sequence = 0;
  for (size_t at = 0; at < file.size();) {
    Page page;
    if (absl::Status status = ReadPage(file, at, &page); !status.ok()) return status;
    const bool first = at == 0;
    if (first) serial = page.serial;
    if (page.serial != serial || ((page.flags & kFirst) != 0) != first) {
      return absl::InvalidArgumentError("the OGG file holds several streams; expected one");
    }
    if (page.sequence != sequence++)
      return Damaged(at, "is out of order, or those before it are lost");
    if (first && (page.flags & kContinued) != 0) return Damaged(at, "continues nothing");
    headers.Add(page);
    at += page.size;
  }
  return headers.Check();
}

}  // namespace shoal::audio
