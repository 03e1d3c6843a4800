// What stands in the sampling parameters that a request leaves open: what the server's flags say,
// else the checkpoint's generation_config.json, else what tts.proto documents. Each of them is a
// SamplingConfig, and FillSampling puts one over the next. Free functions without state; any
// thread.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_SAMPLING_DEFAULTS_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_SAMPLING_DEFAULTS_H_

#include "common/checkpoint/generation_config.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::preprocess {

// The documented defaults: every field but the seed.
tts::v1::SamplingConfig DocumentedSampling();

// What the checkpoint says, and no more.
tts::v1::SamplingConfig ToSampling(const checkpoint::GenerationConfig& config);

// `asked` where it says something, else `defaults`. The numbers of `defaults.ras` belong to its
// rule: where `asked` names another one, that rule's documented numbers take their place.
tts::v1::SamplingConfig FillSampling(const tts::v1::SamplingConfig& asked,
                                     const tts::v1::SamplingConfig& defaults);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_SAMPLING_DEFAULTS_H_
