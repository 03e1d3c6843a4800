// Unicode normalisation form C.
//
// Free functions; any thread. Time is linear in the text, whatever its combining marks. The Unicode
// data are ICU's. The Hugging Face library's are older: it leaves about a hundred rare marks, added
// to Unicode since 2016, in the order in which they stand.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_NFC_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_NFC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::preprocess {

// `text` itself when nothing changes, else a view of `storage`, which it overwrites.
// REQUIRES: valid UTF-8 of fewer than 2^31 bytes.
absl::StatusOr<absl::string_view> ToNfc(absl::string_view text, std::string& storage);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_NFC_H_
