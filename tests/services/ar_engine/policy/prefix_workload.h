// PrefixWorkload: sequences of all kinds come and go over a PrefixCache, and after every step the
// cache is compared with PrefixModel and with the pool's reference counts. Where its choices come
// from is the caller's affair: random numbers, or the bytes of a fuzzer.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_PREFIX_WORKLOAD_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_PREFIX_WORKLOAD_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "services/ar_engine/policy/block_pool.h"
#include "services/ar_engine/policy/prefix_cache.h"
#include "tests/services/ar_engine/policy/prefix_model.h"

namespace shoal::engine {

class PrefixWorkload {
 public:
  // Of 0..n - 1, whatever it likes.
  using Choose = std::function<uint32_t(uint32_t n)>;

  struct Options {
    int blocks = 24;
    int max_pinned = 6;
    bool constant_hash = false;
  };

  PrefixWorkload(const Options& options, Choose choose);

  // One more step. Returns what does not hold, empty: all does.
  std::string Step();
  // Everybody goes home. The same.
  std::string Finish();
  const PrefixCache::Stats& stats() const { return cache_.stats(); }

 private:
  // The positions of a prompt. Prompts have much in common, and differ in one number where they do.
  struct Prompt {
    std::vector<int32_t> token_ids, codes;
    std::vector<PrefixModel::Content> contents;  // of its whole blocks
  };
  struct Sequence {
    Prompt prompt;
    std::vector<BlockRef> blocks;
  };

  Prompt ChoosePrompt();
  std::string Start();          // looks a prompt up and takes blocks for the rest
  std::string StartAlone();     // takes blocks for all of it, known or not
  std::string EndTurn();        // makes the blocks known, and goes or stays
  std::string InsertForeign();  // offers blocks of another prompt
  std::string DropSome();       // gives some blocks back, in any order
  std::string Evict(int count);
  std::string Take(Sequence& sequence);  // the blocks that it lacks, as far as there are any
  void Erase(size_t sequence);
  std::string Check();

  const Choose choose_;
  BlockPool pool_;
  PrefixCache cache_;
  PrefixModel model_;
  std::vector<Sequence> sequences_;
  PrefixModel::Holders Holders() const;
};

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_PREFIX_WORKLOAD_H_
