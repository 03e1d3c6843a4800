// A recording as codes, and its form on disk: bytes that carry their shape and a checksum over
// themselves and over what they are kept under, so that damage and mix-ups are found. Free
// functions without state; any thread.
#ifndef SHOAL_SERVICES_PREPROCESS_REFERENCES_ENCODED_REFERENCE_H_
#define SHOAL_SERVICES_PREPROCESS_REFERENCES_ENCODED_REFERENCE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/preprocess/references/reference_encoder.h"

namespace shoal::preprocess {

struct EncodedReference {
  Codes codes;
  std::vector<std::string> warnings;  // codes of tts::v1::Warning
  double seconds = 0;                 // of audio
};
using SharedReference = std::shared_ptr<const EncodedReference>;

// 32 bytes.
std::string Sha256(absl::string_view bytes);

// `name` says what the reference is of: the same must be given to unpack it.
std::string PackReference(const EncodedReference& reference, absl::string_view name);

// Null when the bytes are damaged, cut, of another name, or not of so many codebooks.
SharedReference UnpackReference(absl::string_view bytes, absl::string_view name, int num_codebooks);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_REFERENCES_ENCODED_REFERENCE_H_
