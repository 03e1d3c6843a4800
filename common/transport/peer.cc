#include "common/transport/peer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace shoal::transport {
namespace {

void Compare(absl::string_view part, const std::string& mine, const std::string& theirs,
             std::string* found) {
  if (found->empty() && !mine.empty() && !theirs.empty() && mine != theirs) {
    *found = absl::StrCat("another ", part, " (fingerprints differ)");
  }
}

void Compare(absl::string_view limit, uint32_t mine, uint32_t theirs, std::string* found) {
  if (found->empty() && mine != 0 && theirs != 0 && mine != theirs) {
    *found = absl::StrCat(limit, " is ", mine, " here and ", theirs, " there");
  }
}

}  // namespace

std::string DisagreementOf(const pipeline::v1::Hello& mine, const pipeline::v1::Hello& theirs) {
  std::string found;
  Compare("codec", mine.fingerprint().codec(), theirs.fingerprint().codec(), &found);
  Compare("transformer", mine.fingerprint().transformer(), theirs.fingerprint().transformer(),
          &found);
  Compare("tokenizer", mine.fingerprint().tokenizer(), theirs.fingerprint().tokenizer(), &found);
  const pipeline::v1::ModelLimits& a = mine.limits();
  const pipeline::v1::ModelLimits& b = theirs.limits();
  Compare("num_codebooks", a.num_codebooks(), b.num_codebooks(), &found);
  Compare("sample_rate_hz", a.sample_rate_hz(), b.sample_rate_hz(), &found);
  Compare("frame_length", a.frame_length(), b.frame_length(), &found);
  return found;
}

}  // namespace shoal::transport
