// What the front loads of a checkpoint: the tokenizer, the numbers, the sampling that
// suits it, the codec's encoder.
#ifndef SHOAL_SERVICES_PREPROCESS_MODEL_FRONT_MODEL_H_
#define SHOAL_SERVICES_PREPROCESS_MODEL_FRONT_MODEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/preprocess/front/session.h"
#include "services/preprocess/model/codec_reference_encoder.h"
#include "services/preprocess/text/prompt.h"
#include "services/preprocess/text/tokenizer.h"
#include "shoal/pipeline/v1/pipeline.pb.h"

namespace shoal::preprocess {

// Owned by main; immutable, any thread.
struct FrontModel {
  ModelFacts facts;
  pipeline::v1::Fingerprint fingerprint;
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<const PromptBuilder> builder;  // uses the tokenizer
  std::unique_ptr<const CodecReferenceEncoder> encoder;
};

absl::StatusOr<FrontModel> LoadFrontModel(const std::string& directory, int threads);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_MODEL_FRONT_MODEL_H_
