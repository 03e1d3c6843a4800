// Drawing from logits the long way: sort everything, keep what the rules keep, and let the
// exponential race decide. The rules and their order are the model's; the random numbers are those
// that the engine documents, so that the same seed gives the same codes.

#ifndef SHOAL_TESTS_REFERENCE_MODEL_SAMPLING_H_
#define SHOAL_TESTS_REFERENCE_MODEL_SAMPLING_H_

#include <cstdint>

#include "services/ar_engine/policy/sampler.h"
#include "tests/reference_model/dual_ar.h"

namespace shoal::reference {

// Chooses every code of turn `turn` as a request with these parameters would.
DualAr::Chooser Sampler(const engine::SamplingParams& params, uint32_t turn);

}  // namespace shoal::reference

#endif  // SHOAL_TESTS_REFERENCE_MODEL_SAMPLING_H_
