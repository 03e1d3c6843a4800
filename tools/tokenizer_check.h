// Whether a tokenizer.json gives the ids that a model's configuration counts on. Not a tokenizer:
// only its lists of tokens are looked at.
#ifndef SHOAL_TOOLS_TOKENIZER_CHECK_H_
#define SHOAL_TOOLS_TOKENIZER_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "common/checkpoint/model_config.h"

namespace shoal::tools {

// The error names the token, its id and the one expected.
absl::Status CheckTokenizer(const std::string& directory, const checkpoint::ModelConfig& config);

}  // namespace shoal::tools

#endif  // SHOAL_TOOLS_TOKENIZER_CHECK_H_
