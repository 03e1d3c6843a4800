// Reads a Submit{generate} into a Request, or says which field is wrong and what was expected.
// What another process sends is hostile until this has passed it. Free functions; any thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_SERVICE_GENERATE_CHECK_H_
#define SHOAL_SERVICES_AR_ENGINE_SERVICE_GENERATE_CHECK_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "common/transport/message.h"
#include "services/ar_engine/policy/sequence.h"

namespace shoal::engine {

// What the checkpoint says about ids and codes.
struct VocabularySizes {
  int num_codebooks = 0;
  int32_t vocab_size = 0;        // token ids are below
  int32_t codebook_entries = 0;  // residual codes are below
  int32_t semantic_start = 0;    // token id of semantic code 0
  int32_t n_semantic = 0;
};

// REQUIRES: the message's body is a Submit with `generate`. `front` is who sent it. Errors are
// INVALID_ARGUMENT and name a field as in "submit.generate.sampling.top_p". In the Request, codes
// are 0 wherever the token is not semantic, whatever was sent there: positions are compared by
// them.
absl::StatusOr<Request> ReadGenerate(const transport::Message& message, uint64_t front,
                                     const VocabularySizes& sizes);

// What the channel has checked needs no more: nothing in it can do harm.
ListenerNews ReadCredit(const pipeline::v1::AudioCredit& credit);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_SERVICE_GENERATE_CHECK_H_
