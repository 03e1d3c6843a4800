// The parts of a golden folder, each computed by the reference model for the checkpoint that stands
// in the folder. They throw std::runtime_error, also when a choice is too narrow to be tested
// exactly: then another seed of the checkpoint helps.

#ifndef SHOAL_TESTS_REFERENCE_MODEL_GOLDEN_CASES_H_
#define SHOAL_TESTS_REFERENCE_MODEL_GOLDEN_CASES_H_

#include <string>

#include "tests/reference_model/golden_folder.h"

namespace shoal::reference {

// The checkpoint of `directory` with the tokenizer and the token ids of tests/golden, so that the
// texts there keep their ids; and codec.pth, as torch.save would write it.
void WriteCheckpoint(const std::string& directory, GoldenFolder& folder);

// What does not depend on weights, from tests/golden: tokenizer/, prompts/ (with as many codebooks
// as the checkpoint has), the sampler's cases.
void WriteTexts(GoldenFolder& folder);

// slow_ar/, fast_ar/ and generate/.
void WriteTransformers(GoldenFolder& folder);

// codec/.
void WriteCodec(GoldenFolder& folder);

}  // namespace shoal::reference

#endif  // SHOAL_TESTS_REFERENCE_MODEL_GOLDEN_CASES_H_
