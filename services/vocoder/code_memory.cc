#include "services/vocoder/code_memory.h"

namespace shoal::vocoder {

void CodeMemory::Start(uint64_t position, absl::Span<const int32_t> codes) {
  codes_.clear();
  end_ = position - codes.size() / num_codebooks_;
  Append(codes);
}

void CodeMemory::Append(absl::Span<const int32_t> codes) {
  codes_.insert(codes_.end(), codes.begin(), codes.end());
  end_ += codes.size() / num_codebooks_;
  const size_t most = capacity_ * num_codebooks_;
  if (codes_.size() > most) {
    codes_.erase(codes_.begin(), codes_.end() - static_cast<std::ptrdiff_t>(most));
  }
}

void CodeMemory::Truncate(uint64_t end) {
  codes_.resize(codes_.size() - (end_ - end) * num_codebooks_);
  end_ = end;
}

std::vector<int32_t> CodeMemory::Read(uint64_t first, int n) const {
  const auto from =
      codes_.begin() + static_cast<std::ptrdiff_t>((first - begin()) * num_codebooks_);
  return {from, from + static_cast<std::ptrdiff_t>(n * num_codebooks_)};
}

}  // namespace shoal::vocoder
