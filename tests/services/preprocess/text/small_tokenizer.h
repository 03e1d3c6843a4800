// A tokenizer.json small enough to read in a test: all bytes, a few merges, a few added tokens.
#ifndef SHOAL_TESTS_SERVICES_PREPROCESS_TEXT_SMALL_TOKENIZER_H_
#define SHOAL_TESTS_SERVICES_PREPROCESS_TEXT_SMALL_TOKENIZER_H_

#include <string>

#include "nlohmann/json.hpp"
#include "services/preprocess/text/tokenizer.h"

namespace shoal::preprocess {

// S2 Pro's pipeline. Ids: a byte is itself; 256 "ab", 257 "abc" (merges a+b, ab+c); from 300 on the
// added tokens <|im_start|>, <|im_end|>, <|voice|>, <|phoneme_start|>, <|phoneme_end|>, then
// <|semantic:0|> to <|semantic:3|>.
nlohmann::json SmallTokenizerJson();

inline constexpr int32_t kImStart = 300, kImEnd = 301, kVoice = 302, kPhonemeStart = 303,
                         kPhonemeEnd = 304, kSemanticStart = 305;
inline constexpr int32_t kSemanticEnd = 308;

// Throws std::runtime_error with the message of Tokenizer::FromJson.
Tokenizer MakeTokenizer(const nlohmann::json& json);
inline Tokenizer SmallTokenizer() { return MakeTokenizer(SmallTokenizerJson()); }

}  // namespace shoal::preprocess

#endif  // SHOAL_TESTS_SERVICES_PREPROCESS_TEXT_SMALL_TOKENIZER_H_
