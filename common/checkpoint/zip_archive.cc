#include "common/checkpoint/zip_archive.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::checkpoint {
namespace {

using Bytes = absl::Span<const std::byte>;

// Signatures and sizes of the format (PKWARE APPNOTE 6.3).
constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kCentralHeader = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50;
constexpr uint32_t kEnd64Locator = 0x07064b50;
constexpr size_t kLocalHeaderBytes = 30;
constexpr size_t kCentralHeaderBytes = 46;
constexpr size_t kEndBytes = 22;
constexpr size_t kEnd64Bytes = 56;
constexpr size_t kEnd64LocatorBytes = 20;
constexpr size_t kMaxComment = 65535;
constexpr uint16_t kZip64Extra = 1;
constexpr uint16_t kIn64 = 0xffff;          // "see the zip64 record", 16 bits
constexpr uint32_t kIn64Wide = 0xffffffff;  // the same, 32 bits

// REQUIRES: offset + sizeof(T) <= bytes.size().
template <typename T>
T Read(Bytes bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

// The part of `bytes` asked for, if all of it is there.
std::optional<Bytes> Slice(Bytes bytes, uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(offset, size);
}

struct Directory {
  uint64_t entries;
  Bytes headers;
};

// The end record stands at the end, before a comment of unknown length.
std::optional<size_t> FindEnd(Bytes file) {
  if (file.size() < kEndBytes) return std::nullopt;
  const size_t last = file.size() - kEndBytes;
  const size_t first = last > kMaxComment ? last - kMaxComment : 0;
  for (size_t at = last + 1; at-- > first;) {
    if (Read<uint32_t>(file, at) == kEnd &&
        Read<uint16_t>(file, at + 20) == file.size() - at - kEndBytes) {
      return at;
    }
  }
  return std::nullopt;
}

absl::StatusOr<Directory> FindDirectory(Bytes file) {
  const std::optional<size_t> end = FindEnd(file);
  if (!end) return absl::InvalidArgumentError("not a zip archive, or truncated: no end record");
  uint64_t entries = Read<uint16_t>(file, *end + 10);
  uint64_t size = Read<uint32_t>(file, *end + 12);
  uint64_t offset = Read<uint32_t>(file, *end + 16);
  uint32_t disk = Read<uint16_t>(file, *end + 4);
  if (*end >= kEnd64LocatorBytes &&
      Read<uint32_t>(file, *end - kEnd64LocatorBytes) == kEnd64Locator) {
    const uint64_t at = Read<uint64_t>(file, *end - kEnd64LocatorBytes + 8);
    const std::optional<Bytes> end64 = Slice(file, at, kEnd64Bytes);
    if (!end64 || Read<uint32_t>(*end64, 0) != kEnd64) {
      return absl::InvalidArgumentError("the zip64 end record is not where it should be");
    }
    if (entries == kIn64) entries = Read<uint64_t>(*end64, 32);
    if (size == kIn64Wide) size = Read<uint64_t>(*end64, 40);
    if (offset == kIn64Wide) offset = Read<uint64_t>(*end64, 48);
    if (disk == kIn64) disk = Read<uint32_t>(*end64, 16);
  }
  if (disk != 0) return absl::InvalidArgumentError("a zip archive in several parts");
  const std::optional<Bytes> headers = Slice(file, offset, size);
  if (!headers) return absl::InvalidArgumentError("the central directory is outside the file");
  return Directory{entries, *headers};
}

struct Entry {
  std::string name;
  uint16_t flags;
  uint16_t method;
  uint64_t stored_bytes;
  uint64_t bytes;
  uint64_t local_header;
};

// Fills in the sizes that the central header leaves to its zip64 field. False when it has none.
bool ReadZip64(Bytes extra, Entry* entry) {
  while (extra.size() >= 4) {
    const uint16_t id = Read<uint16_t>(extra, 0);
    const std::optional<Bytes> field = Slice(extra, 4, Read<uint16_t>(extra, 2));
    if (!field) return false;
    if (id == kZip64Extra) {
      size_t at = 0;  // only the values that the header marks are there, in this order
      for (uint64_t* value : {&entry->bytes, &entry->stored_bytes, &entry->local_header}) {
        if (*value != kIn64Wide) continue;
        if (field->size() - at < sizeof(uint64_t)) return false;
        *value = Read<uint64_t>(*field, at);
        at += sizeof(uint64_t);
      }
      return true;
    }
    extra.remove_prefix(4 + field->size());
  }
  return false;
}

// Takes one header off the front of the central directory.
std::optional<Entry> TakeEntry(Bytes* headers) {
  if (headers->size() < kCentralHeaderBytes || Read<uint32_t>(*headers, 0) != kCentralHeader) {
    return std::nullopt;
  }
  const size_t name_bytes = Read<uint16_t>(*headers, 28);
  const size_t extra_bytes = Read<uint16_t>(*headers, 30);
  const size_t comment_bytes = Read<uint16_t>(*headers, 32);
  const std::optional<Bytes> whole =
      Slice(*headers, 0, kCentralHeaderBytes + name_bytes + extra_bytes + comment_bytes);
  if (!whole) return std::nullopt;
  Entry entry;
  entry.name.assign(reinterpret_cast<const char*>(whole->data()) + kCentralHeaderBytes, name_bytes);
  entry.flags = Read<uint16_t>(*whole, 8);
  entry.method = Read<uint16_t>(*whole, 10);
  entry.stored_bytes = Read<uint32_t>(*whole, 20);
  entry.bytes = Read<uint32_t>(*whole, 24);
  entry.local_header = Read<uint32_t>(*whole, 42);
  const bool wide = entry.stored_bytes == kIn64Wide || entry.bytes == kIn64Wide ||
                    entry.local_header == kIn64Wide;
  if (wide && !ReadZip64(whole->subspan(kCentralHeaderBytes + name_bytes, extra_bytes), &entry)) {
    return std::nullopt;
  }
  headers->remove_prefix(whole->size());
  return entry;
}

absl::StatusOr<Bytes> EntryBytes(Bytes file, const Entry& entry) {
  if ((entry.flags & 1) != 0) return absl::InvalidArgumentError("is encrypted");
  if (entry.method != 0 || entry.stored_bytes != entry.bytes) {
    return absl::InvalidArgumentError("is compressed; torch.save stores without compression");
  }
  const std::optional<Bytes> local = Slice(file, entry.local_header, kLocalHeaderBytes);
  if (!local || Read<uint32_t>(*local, 0) != kLocalHeader) {
    return absl::InvalidArgumentError("has no local header where the directory says");
  }
  const uint64_t start = entry.local_header + kLocalHeaderBytes + Read<uint16_t>(*local, 26) +
                         Read<uint16_t>(*local, 28);
  const std::optional<Bytes> bytes = Slice(file, start, entry.bytes);
  if (!bytes) return absl::InvalidArgumentError("ends outside the file (truncated?)");
  return *bytes;
}

}  // namespace

absl::StatusOr<ZipEntries> ParseZip(Bytes file, const std::string& path) {
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
  };
  absl::StatusOr<Directory> directory = FindDirectory(file);
  if (!directory.ok()) return wrong(directory.status().message());
  ZipEntries entries;
  for (uint64_t i = 0; i < directory->entries; ++i) {
    const std::optional<Entry> entry = TakeEntry(&directory->headers);
    if (!entry) return wrong(absl::StrCat("header ", i, " of the central directory is damaged"));
    absl::StatusOr<Bytes> bytes = EntryBytes(file, *entry);
    if (!bytes.ok()) {
      return wrong(absl::StrCat("entry \"", entry->name, "\" ", bytes.status().message()));
    }
    if (!entries.emplace(entry->name, *bytes).second) {
      return wrong(absl::StrCat("entry \"", entry->name, "\" is there twice"));
    }
  }
  return entries;
}

}  // namespace shoal::checkpoint
