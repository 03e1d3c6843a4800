#include "tests/services/ar_engine/policy/prefix_model.h"

#include <algorithm>
#include <tuple>

namespace shoal::engine {

PrefixModel::Known* PrefixModel::Find(const std::vector<Content>& contents, size_t length) {
  for (Known& known : known_) {
    if (known.prefix.size() == length &&
        std::equal(known.prefix.begin(), known.prefix.end(), contents.begin())) {
      return &known;
    }
  }
  return nullptr;
}

std::vector<int32_t> PrefixModel::Match(const std::vector<Content>& contents) {
  ++now_;
  std::vector<int32_t> blocks;
  for (size_t length = 1; length <= contents.size(); ++length) {
    Known* known = Find(contents, length);
    if (known == nullptr) break;
    known->used = now_;
    blocks.push_back(known->block);
  }
  return blocks;
}

void PrefixModel::Insert(const std::vector<Content>& contents, const std::vector<int32_t>& blocks,
                         int pinned_blocks) {
  ++now_;
  for (size_t length = 1; length <= std::min(contents.size(), blocks.size()); ++length) {
    Known* known = Find(contents, length);
    if (known == nullptr) {
      if (Knows(blocks[length - 1])) return;
      known_.push_back({{contents.begin(), contents.begin() + length},
                        blocks[length - 1],
                        now_,
                        /*pinned=*/false});
      known = &known_.back();
    }
    known->used = now_;
    if (static_cast<int>(length) > pinned_blocks) continue;
    const bool parent_pinned = length == 1 || Find(contents, length - 1)->pinned;
    if (parent_pinned) known->pinned = true;
    BoundPins();
  }
}

void PrefixModel::BoundPins() {
  while (Pinned() > max_pinned_) {
    Known* oldest = nullptr;
    for (Known& known : known_) {
      const bool inner = std::any_of(known_.begin(), known_.end(), [&](const Known& other) {
        return &other != &known && other.pinned && Continues(other, known);
      });
      if (!known.pinned || inner) continue;
      if (oldest == nullptr || known.used < oldest->used) oldest = &known;
    }
    oldest->pinned = false;
  }
}

bool PrefixModel::Continues(const Known& longer, const Known& shorter) {
  return longer.prefix.size() >= shorter.prefix.size() &&
         std::equal(shorter.prefix.begin(), shorter.prefix.end(), longer.prefix.begin());
}

// All that continues it could go first.
bool PrefixModel::MayGo(const Known& known, const Holders& holders) const {
  return std::none_of(known_.begin(), known_.end(), [&](const Known& other) {
    return Continues(other, known) && holders[other.block] > 0;
  });
}

int PrefixModel::Evictable(const Holders& holders) const {
  return static_cast<int>(std::count_if(known_.begin(), known_.end(),
                                        [&](const Known& known) { return MayGo(known, holders); }));
}

std::vector<int32_t> PrefixModel::Evict(int count, const Holders& holders) {
  std::vector<int32_t> gone;
  while (static_cast<int>(gone.size()) < count) {
    auto first = known_.end();
    for (auto it = known_.begin(); it != known_.end(); ++it) {
      const bool continued = std::any_of(known_.begin(), known_.end(), [&](const Known& other) {
        return &other != &*it && Continues(other, *it);
      });
      if (continued || !MayGo(*it, holders)) continue;
      if (first == known_.end() ||
          std::tie(it->pinned, it->used) < std::tie(first->pinned, first->used)) {
        first = it;
      }
    }
    if (first == known_.end()) break;
    gone.push_back(first->block);
    known_.erase(first);
  }
  return gone;
}

bool PrefixModel::Knows(int32_t block) const {
  return std::any_of(known_.begin(), known_.end(),
                     [&](const Known& known) { return known.block == block; });
}

int PrefixModel::Pinned() const {
  return static_cast<int>(
      std::count_if(known_.begin(), known_.end(), [](const Known& k) { return k.pinned; }));
}

}  // namespace shoal::engine
