// Requests for tests of the policy.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_REQUESTS_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_REQUESTS_H_

#include <cstdint>
#include <random>

#include "services/ar_engine/policy/sequence.h"
#include "tests/services/ar_engine/policy/hashing_model.h"

namespace shoal::engine {

// A prompt of random text and semantic tokens for the model's sizes.
inline Request RandomRequest(uint64_t stream, int prompt_length, int max_frames,
                             const HashingModel::Options& model) {
  std::mt19937 random(static_cast<uint32_t>(stream * 7919 + prompt_length));
  Request request;
  request.stream = {.front = 1, .high = 0, .low = stream};
  request.prompt_length = prompt_length;
  request.max_frames = max_frames;
  request.sampling.seed = stream;
  for (int i = 0; i < prompt_length; ++i) {
    const bool semantic = random() % 2 == 0;
    const int32_t code = static_cast<int32_t>(random() % model.n_semantic);
    request.token_ids.push_back(semantic ? model.semantic_start + code : code);
    request.codes.push_back(semantic ? code : 0);
    for (int k = 1; k < model.num_codebooks; ++k) {
      request.codes.push_back(semantic ? static_cast<int32_t>(random() % 50) : 0);
    }
  }
  return request;
}

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_REQUESTS_H_
