// Random weights that behave: values whose scale keeps activations near 1 in every part of the
// model, so that logits spread, generation moves on and audio does not clip.
//
// Nothing but integers and exactly rounded products go into a value: the same seed gives the same
// bytes on every machine.
#ifndef SHOAL_TOOLS_RANDOM_WEIGHTS_H_
#define SHOAL_TOOLS_RANDOM_WEIGHTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/checkpoint/expected_tensors.h"

namespace shoal::tools {

// A bell-shaped distribution bounded at 3.5 deviations.
struct WeightLaw {
  double mean = 0;
  double deviation = 0;
};

// For a tensor of a transformer or of the codec. `direction`: shape of the v that belongs to the g
// of a weight norm (TensorRole::kNormGain), else unused. `codebooks`: how many the codec has.
WeightLaw LawOf(const checkpoint::ExpectedTensor& tensor, const std::vector<int64_t>& direction,
                int64_t codebooks);

// `count` values that depend on seed, name and law alone.
std::vector<float> RandomValues(uint64_t seed, const std::string& name, const WeightLaw& law,
                                int64_t count);

}  // namespace shoal::tools

#endif  // SHOAL_TOOLS_RANDOM_WEIGHTS_H_
