// The pairs of one word that may be merged next, lowest rank first, leftmost first among equals.
//
// A heap of ascending runs: pairs of one rank mostly arrive from left to right, and such a run is
// one heap entry however long it is. So taking out n pairs of few ranks costs about n, not n log n.
// One thread; reused from word to word.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_BPE_QUEUE_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_BPE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace shoal::preprocess {

class PairQueue {
 public:
  struct Pair {
    uint32_t rank;
    uint32_t left;  // index of its left symbol
  };

  bool empty() const { return runs_.empty(); }
  // A pair may be in the queue more than once.
  void Push(Pair pair);
  // REQUIRES: !empty(). The queue is as new once it is empty.
  Pair Pop();

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  struct Link {
    uint32_t left;
    uint32_t next;  // in links_, of the same run
  };
  struct Run {
    uint64_t first;  // rank << 32 | left of its first pair
    uint32_t link;   // that pair's
  };

  void SiftUp(size_t at);
  void SiftDown(size_t at);

  std::vector<Run> runs_;  // a min-heap by `first`
  std::vector<Link> links_;
  absl::flat_hash_map<uint32_t, uint32_t> last_links_;  // by rank: the end of its newest run
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_BPE_QUEUE_H_
