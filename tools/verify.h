// Whether a checkpoint directory is one that Shoal can serve: configurations, every tensor with its
// shape and finite values, the tokenizer's ids, and the fingerprint.
#ifndef SHOAL_TOOLS_VERIFY_H_
#define SHOAL_TOOLS_VERIFY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace shoal::tools {

struct Verified {
  int64_t transformer_tensors = 0;
  int64_t codec_tensors = 0;
  std::vector<std::string> notes;  // what is odd but harms nothing
};

// Reads every byte. The error names the first thing that is wrong.
absl::StatusOr<Verified> VerifyCheckpoint(const std::string& directory);

}  // namespace shoal::tools

#endif  // SHOAL_TOOLS_VERIFY_H_
