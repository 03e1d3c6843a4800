// What identifies the parts of a checkpoint, so that processes can tell whether they serve the same
// model: SHA-256 of tokenizer.json, of the transformers' tensors and of the codec's tensors.
//
// A part's tensors are hashed in the order of their names, each as name, dtype, shape and bytes, so
// sharding changes nothing. Hashing reads every byte: fingerprint.json keeps the result beside the
// sizes of the files it was made from, and is believed as long as those sizes are right.
//
// generation_config.json is not part of it. Fingerprints tell that tokens and codes mean the same to
// every process; the defaults of sampling are read by the front alone and go to engines as numbers
// in each request. Fronts of one engine may differ in them, and tuning them must not make running
// stages refuse each other.
#ifndef SHOAL_COMMON_CHECKPOINT_FINGERPRINT_H_
#define SHOAL_COMMON_CHECKPOINT_FINGERPRINT_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::checkpoint {

// 32 raw bytes a part; empty for a part that the directory does not have or was not asked for.
struct Fingerprint {
  std::string tokenizer;
  std::string transformer;
  std::string codec;
};

// Lower-case hexadecimal.
std::string HexString(const std::string& bytes);

// Hash of all tensors of a store.
std::string HashTensors(const TensorStore& store);
// Hash of a file's bytes.
absl::StatusOr<std::string> HashFile(const std::string& path);

// One part of fingerprint.json: its hash, and the files with their sizes that it was made from.
struct FingerprintEntry {
  std::string sha256;                    // 32 raw bytes
  std::map<std::string, int64_t> files;  // file name -> bytes
};
// Keys: "tokenizer", "transformer", "codec".
using FingerprintFile = std::map<std::string, FingerprintEntry>;

// NOT_FOUND when there is none; INVALID_ARGUMENT when it cannot be read as one.
absl::StatusOr<FingerprintFile> ReadFingerprintFile(const std::string& directory);
absl::Status WriteFingerprintFile(const std::string& directory, const FingerprintFile& file);
// True when every file of the entry stands in the directory with the size noted.
bool SizesMatch(const std::string& directory, const FingerprintEntry& entry);

// The entry of a part whose tensors `store` holds, as files of the directory are now.
FingerprintEntry HashPart(const std::string& directory, const TensorStore& store);

// Hashes whatever parts the directory holds, whatever an old fingerprint.json says.
absl::StatusOr<FingerprintFile> ComputeFingerprint(const std::string& directory);

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_FINGERPRINT_H_
