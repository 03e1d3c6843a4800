// PrefixModel: what PrefixCache promises, written down as plainly as it can be: a list of all known
// blocks, each with every number from position 0 to its own end, searched from front to back.
//
// Who else has a share of a block is told to it, not counted by a pool.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_PREFIX_MODEL_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_PREFIX_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace shoal::engine {

class PrefixModel {
 public:
  // A block's positions: token ids and codes in any fixed order.
  using Content = std::vector<int32_t>;
  // By block id: how many BlockRefs there are beside the cache's.
  using Holders = std::vector<int>;

  explicit PrefixModel(int max_pinned) : max_pinned_(max_pinned) {}

  // The blocks of the longest known prefix of these, which are used now.
  std::vector<int32_t> Match(const std::vector<Content>& contents);
  void Insert(const std::vector<Content>& contents, const std::vector<int32_t>& blocks,
              int pinned_blocks);
  // The blocks that go, in their order.
  std::vector<int32_t> Evict(int count, const Holders& holders);

  int Evictable(const Holders& holders) const;
  bool Knows(int32_t block) const;
  int size() const { return static_cast<int>(known_.size()); }
  int Pinned() const;

 private:
  struct Known {
    std::vector<Content> prefix;  // its own content last
    int32_t block;
    uint64_t used;
    bool pinned;
  };

  Known* Find(const std::vector<Content>& contents, size_t length);
  // Whether `longer` continues `shorter`; everything continues itself.
  static bool Continues(const Known& longer, const Known& shorter);
  bool MayGo(const Known& known, const Holders& holders) const;
  void BoundPins();

  const int max_pinned_;
  std::vector<Known> known_;
  uint64_t now_ = 0;
};

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_PREFIX_MODEL_H_
