// Writes a small random checkpoint in S2 Pro's format, for demonstrations, tests and trials of
// other sizes: config.json, the transformers' shards, tokenizer.json, codec.json, codec.safetensors
// and fingerprint.json. It speaks noise, but everything about it works.
#ifndef SHOAL_TOOLS_MAKE_TINY_H_
#define SHOAL_TOOLS_MAKE_TINY_H_

#include <string>

#include "absl/status/status.h"
#include "tools/tiny_options.h"

namespace shoal::tools {

// Makes the directory where there is none; refuses one that holds a checkpoint already. Equal
// options give equal bytes on every machine.
absl::Status MakeTinyCheckpoint(const std::string& directory, const TinyOptions& options);

}  // namespace shoal::tools

#endif  // SHOAL_TOOLS_MAKE_TINY_H_
