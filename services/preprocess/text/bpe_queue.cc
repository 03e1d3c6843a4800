#include "services/preprocess/text/bpe_queue.h"

#include <utility>

namespace shoal::preprocess {

void PairQueue::Push(Pair pair) {
  const uint32_t link = static_cast<uint32_t>(links_.size());
  links_.push_back({pair.left, kNone});
  const auto [last, is_first] = last_links_.try_emplace(pair.rank, link);
  if (!is_first && links_[last->second].left <= pair.left) {
    links_[last->second].next = link;
    last->second = link;
    return;
  }
  last->second = link;
  runs_.push_back({static_cast<uint64_t>(pair.rank) << 32 | pair.left, link});
  SiftUp(runs_.size() - 1);
}

PairQueue::Pair PairQueue::Pop() {
  Run& top = runs_.front();
  const Pair pair = {static_cast<uint32_t>(top.first >> 32), static_cast<uint32_t>(top.first)};
  const uint32_t next = links_[top.link].next;
  if (next != kNone) {
    top = {static_cast<uint64_t>(pair.rank) << 32 | links_[next].left, next};
  } else {
    // Nothing may be linked behind a pair that is out.
    const auto last = last_links_.find(pair.rank);
    if (last != last_links_.end() && last->second == top.link) last_links_.erase(last);
    top = runs_.back();
    runs_.pop_back();
  }
  if (runs_.empty()) {
    links_.clear();
  } else {
    SiftDown(0);
  }
  return pair;
}

void PairQueue::SiftUp(size_t at) {
  while (at > 0) {
    const size_t parent = (at - 1) / 2;
    if (runs_[parent].first <= runs_[at].first) return;
    std::swap(runs_[parent], runs_[at]);
    at = parent;
  }
}

void PairQueue::SiftDown(size_t at) {
  for (;;) {
    size_t least = at;
    for (const size_t child : {2 * at + 1, 2 * at + 2}) {
      if (child < runs_.size() && runs_[child].first < runs_[least].first) least = child;
    }
    if (least == at) return;
    std::swap(runs_[least], runs_[at]);
    at = least;
  }
}

}  // namespace shoal::preprocess
