// Sampling that suits a model, from generation_config.json of its checkpoint directory: the values
// of parameters that a request leaves open. The file may be missing, and so may every key.
//
//   {"temperature": 0.7, "top_p": 0.9, "top_k": 30, "repetition_penalty": 1.1,
//    "shoal": {"max_frames": 1024, "residual_sampling": "sampled", "filter_order": "top_k_first",
//              "ras": {"rule": "window", "window": 4, "temperature": 1.5, "top_p": 0.95}}}
//
// The keys outside of "shoal" are those that Hugging Face's libraries use; others of theirs are
// passed over. Inside of it an unknown key is an error: a name that is misspelt would change how
// the model sounds, and nobody would notice.
//
// Plain values: copy them freely. Only the front reads them: stages get the numbers of every
// request, so processes need not agree about this file, and no fingerprint covers it.
#ifndef SHOAL_COMMON_CHECKPOINT_GENERATION_CONFIG_H_
#define SHOAL_COMMON_CHECKPOINT_GENERATION_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::checkpoint {

// What the file says; none where it says nothing. Names, meanings and ranges are those of
// SamplingConfig in tts.proto.
struct GenerationConfig {
  enum class ResidualSampling { kSampled, kGreedy };
  enum class FilterOrder { kTopKFirst, kFullSoftmax };
  struct RepetitionAwareSampling {
    enum class Rule { kOff, kAuthors, kWindow };
    std::optional<Rule> rule;
    std::optional<int64_t> window;  // 1..64
    std::optional<float> temperature;
    std::optional<float> top_p;
  };

  std::optional<float> temperature;
  std::optional<float> top_p;
  std::optional<int64_t> top_k;  // fits uint32
  std::optional<float> repetition_penalty;
  std::optional<int64_t> max_frames;  // fits int32; a context may hold fewer
  std::optional<ResidualSampling> residual_sampling;
  std::optional<FilterOrder> filter_order;
  RepetitionAwareSampling ras;
};

// Says nothing when there is no file.
absl::StatusOr<GenerationConfig> LoadGenerationConfig(const std::string& directory);
// The same from the text of a generation_config.json; `path` is for messages.
absl::StatusOr<GenerationConfig> ParseGenerationConfig(absl::string_view text,
                                                       const std::string& path);

// The settings as "name value" with commas between them, the keys of "shoal" by their own names;
// empty when there are none.
std::string ToString(const GenerationConfig& config);

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_GENERATION_CONFIG_H_
