#include "services/preprocess/references/encoded_reference.h"

#include <sodium.h>

#include <bit>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace shoal::preprocess {
namespace {

// Checksum, then numbers of 8 bytes: seconds, frames, bytes of the warnings; the warnings, joined
// by commas; the codes, 4 bytes each.
constexpr size_t kChecksumBytes = crypto_hash_sha256_BYTES;
constexpr size_t kNumberBytes = 8;
constexpr size_t kCodeBytes = 4;

void AppendNumber(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

// Takes `bytes` bytes off the front, which must be there.
uint64_t TakeNumber(size_t bytes, absl::string_view* in) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value |= uint64_t{static_cast<uint8_t>((*in)[i])} << (8 * i);
  in->remove_prefix(bytes);
  return value;
}

std::string Checksum(absl::string_view name, absl::string_view body) {
  return Sha256(absl::StrCat(Sha256(name), Sha256(body)));
}

}  // namespace

std::string Sha256(absl::string_view bytes) {
  std::string digest(crypto_hash_sha256_BYTES, '\0');
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(digest.data()),
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  return digest;
}

std::string PackReference(const EncodedReference& reference, absl::string_view name) {
  const std::string warnings = absl::StrJoin(reference.warnings, ",");
  std::string body;
  body.reserve(3 * kNumberBytes + warnings.size() + kCodeBytes * reference.codes.values.size());
  AppendNumber(std::bit_cast<uint64_t>(reference.seconds), kNumberBytes, &body);
  AppendNumber(static_cast<uint64_t>(reference.codes.frames), kNumberBytes, &body);
  AppendNumber(warnings.size(), kNumberBytes, &body);
  body += warnings;
  for (const int32_t code : reference.codes.values) {
    AppendNumber(static_cast<uint32_t>(code), kCodeBytes, &body);
  }
  return absl::StrCat(Checksum(name, body), body);
}

SharedReference UnpackReference(absl::string_view bytes, absl::string_view name,
                                int num_codebooks) {
  if (bytes.size() < kChecksumBytes + 3 * kNumberBytes) return nullptr;
  absl::string_view body = bytes.substr(kChecksumBytes);
  if (Checksum(name, body) != bytes.substr(0, kChecksumBytes)) return nullptr;
  auto reference = std::make_shared<EncodedReference>();
  reference->seconds = std::bit_cast<double>(TakeNumber(kNumberBytes, &body));
  const uint64_t frames = TakeNumber(kNumberBytes, &body);
  const uint64_t warnings = TakeNumber(kNumberBytes, &body);
  if (warnings > body.size()) return nullptr;
  reference->warnings = absl::StrSplit(body.substr(0, warnings), ',', absl::SkipEmpty());
  body.remove_prefix(warnings);
  // The shape last: whole bytes of another shape are another codec's.
  const uint64_t values = body.size() / kCodeBytes;
  if (frames == 0 || body.size() % kCodeBytes != 0 || frames > values ||
      values != frames * static_cast<uint64_t>(num_codebooks)) {
    return nullptr;
  }
  reference->codes.frames = static_cast<int64_t>(frames);
  reference->codes.values.resize(values);
  for (int32_t& code : reference->codes.values) {
    code = static_cast<int32_t>(TakeNumber(kCodeBytes, &body));
  }
  return reference;
}

}  // namespace shoal::preprocess
