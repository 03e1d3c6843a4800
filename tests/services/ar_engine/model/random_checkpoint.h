// A checkpoint of any sizes with random weights, for tests of the model.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_RANDOM_CHECKPOINT_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_RANDOM_CHECKPOINT_H_

#include <cstdint>
#include <string>

#include "common/checkpoint/checkpoint.h"
#include "common/checkpoint/model_config.h"

namespace shoal::engine {

// A small model to vary: grouped heads whose sizes are no multiples of a vector, head_dim * n_head
// other than dim, qk-norm in the slow decoder, a projection into the fast one.
checkpoint::ModelConfig SmallConfig();

// Any small model: head sizes, groups, widths, layers, codebooks, norms and biases drawn by seed.
checkpoint::ModelConfig RandomConfig(uint64_t seed);

// What a checkpoint holds beside its sizes.
struct RandomWeights {
  uint64_t seed = 1;
  bool bf16 = true;  // else float32
  // The name of an untied head is text_model.output.weight.
  bool other_head_name = false;
  // The embedding of this token is not a number; -1: none is.
  int64_t nan_token = -1;
};

// A checkpoint in a folder of its own below the test's temporary folder, removed with the object.
class RandomCheckpoint {
 public:
  explicit RandomCheckpoint(const checkpoint::ModelConfig& config, RandomWeights weights = {});
  RandomCheckpoint(const RandomCheckpoint&) = delete;
  RandomCheckpoint& operator=(const RandomCheckpoint&) = delete;
  ~RandomCheckpoint();

  const std::string& directory() const { return directory_; }
  checkpoint::Checkpoint Open() const;

 private:
  std::string directory_;
};

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_RANDOM_CHECKPOINT_H_
