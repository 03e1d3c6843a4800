// Checks a SynthesisConfig field by field and resolves its defaults, before anything is spent on
// it. All wrong fields are told at once. Free functions without state; any thread.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_REQUEST_CHECK_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_REQUEST_CHECK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/preprocess/front/front_options.h"
#include "services/preprocess/front/sampling_defaults.h"
#include "shoal/pipeline/v1/pipeline.pb.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::preprocess {

// What the checks must know of the model and the server.
struct RequestContext {
  RequestLimits limits;
  uint32_t codec_sample_rate = 0;
  int64_t max_seq_len = 0;
  tts::v1::SamplingConfig sampling = DocumentedSampling();  // where a request leaves it open
};

struct UploadedReference {
  std::string audio;  // a file, not yet looked into
  std::string transcript;
};

// A SynthesisConfig that can be served.
struct SessionConfig {
  std::vector<UploadedReference> references;
  tts::v1::AudioEncoding encoding = tts::v1::LINEAR16;
  uint32_t sample_rate_hz = 0;      // of the output
  pipeline::v1::Sampling sampling;  // all set but max_frames and, unless given, seed
  std::optional<uint64_t> seed;
  std::optional<uint32_t> max_frames;  // asked for
  int64_t chunk_length = 0;
  std::string request_id;  // may be empty
};

// INVALID_ARGUMENT with a violation for every field that is wrong. Takes the recordings out of
// `config`.
absl::StatusOr<SessionConfig> CheckConfig(tts::v1::SynthesisConfig config,
                                          const RequestContext& context);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_REQUEST_CHECK_H_
