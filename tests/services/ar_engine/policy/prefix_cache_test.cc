#include "services/ar_engine/policy/prefix_cache.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kBlock = FrameModel::kBlockPositions;
constexpr int kCodebooks = 3;

uint64_t ConstantHash(absl::Span<const int32_t>) { return 1; }

// Positions as a prompt has them: every token and code may be changed on its own.
struct Positions {
  std::vector<int32_t> token_ids;
  std::vector<int32_t> codes;

  int length() const { return static_cast<int>(token_ids.size()); }
  int32_t& code(int position, int codebook) { return codes[position * kCodebooks + codebook]; }
};

Positions PositionsFrom(int32_t first, int length) {
  Positions positions;
  positions.token_ids.resize(length);
  std::iota(positions.token_ids.begin(), positions.token_ids.end(), first);
  for (int i = 0; i < length * kCodebooks; ++i) positions.codes.push_back(first + i % 7);
  return positions;
}

std::vector<int32_t> Ids(absl::Span<const BlockRef> blocks) {
  std::vector<int32_t> ids;
  for (const BlockRef& block : blocks) ids.push_back(block.id());
  return ids;
}

class PrefixCacheTest : public ::testing::TestWithParam<bool> {
 protected:
  explicit PrefixCacheTest(std::optional<int> max_pinned = std::nullopt)
      : cache_(&pool_, kCodebooks,
               {.hash = GetParam() ? ConstantHash : nullptr, .max_pinned = max_pinned}) {}

  std::vector<BlockRef> Take(int count) { return *pool_.Allocate(count); }

  // As a turn does it: takes what is known, computes the rest, makes all of it known. Returns the
  // blocks; they stay shared until the caller drops them.
  std::vector<BlockRef> Run(const Positions& positions, int pinned = 0) {
    std::vector<BlockRef> blocks = Match(positions, positions.length());
    const int whole = positions.length() / kBlock;
    for (BlockRef& block : Take(whole - static_cast<int>(blocks.size()))) {
      blocks.push_back(std::move(block));
    }
    cache_.Insert(positions.token_ids, positions.codes, blocks, pinned);
    return blocks;
  }

  std::vector<BlockRef> Match(const Positions& positions, int limit) {
    return cache_.Match(positions.token_ids, positions.codes, limit);
  }

  int Known(const Positions& positions) {
    return static_cast<int>(Match(positions, positions.length()).size());
  }

  BlockPool pool_{64};
  PrefixCache cache_;
};

INSTANTIATE_TEST_SUITE_P(Hashes, PrefixCacheTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Constant" : "Seeded"; });

TEST_P(PrefixCacheTest, FindsWholeBlocksOfTheLongestKnownPrefix) {
  const Positions known = PositionsFrom(0, 3 * kBlock);
  const std::vector<int32_t> ids = Ids(Run(known));
  EXPECT_THAT(Ids(Match(known, 3 * kBlock)), ElementsAre(ids[0], ids[1], ids[2]));
  EXPECT_THAT(Ids(Match(known, 3 * kBlock - 1)), ElementsAre(ids[0], ids[1]));
  EXPECT_THAT(Ids(Match(known, kBlock)), ElementsAre(ids[0]));
  EXPECT_THAT(Match(known, kBlock - 1), IsEmpty());
  EXPECT_THAT(Match(known, 0), IsEmpty());
  EXPECT_THAT(Ids(Match(PositionsFrom(0, 2 * kBlock + 5), 2 * kBlock + 5)),
              ElementsAre(ids[0], ids[1]));
  EXPECT_THAT(Match(PositionsFrom(kBlock, kBlock), kBlock), IsEmpty())
      << "the second block's positions are known only behind the first's";
}

TEST_P(PrefixCacheTest, EveryTokenAndEveryCodebookOfEveryPositionCounts) {
  const Positions known = PositionsFrom(0, 2 * kBlock);
  Run(known);
  for (int position = 0; position < 2 * kBlock; ++position) {
    const int same = position / kBlock;
    Positions other = known;
    other.token_ids[position] += 1000;
    EXPECT_EQ(Known(other), same) << "token of position " << position;
    for (int codebook = 0; codebook < kCodebooks; ++codebook) {
      other = known;
      other.code(position, codebook) += 1000;
      EXPECT_EQ(Known(other), same) << "codebook " << codebook << " of position " << position;
    }
  }
}

TEST_P(PrefixCacheTest, AMatchSharesItsBlocks) {
  const Positions known = PositionsFrom(0, 2 * kBlock);
  const std::vector<int32_t> ids = Ids(Run(known));
  EXPECT_EQ(pool_.references(ids[0]), 1);
  {
    const std::vector<BlockRef> one = Match(known, 2 * kBlock), two = Match(known, kBlock);
    EXPECT_EQ(pool_.references(ids[0]), 3);
    EXPECT_EQ(pool_.references(ids[1]), 2);
    EXPECT_EQ(cache_.evictable(), 0);
  }
  EXPECT_EQ(pool_.references(ids[0]), 1);
  EXPECT_EQ(cache_.evictable(), 2);
}

TEST_P(PrefixCacheTest, AKnownBlockStaysAndTheCallersOwnIsNotTaken) {
  const Positions known = PositionsFrom(0, 2 * kBlock), longer = PositionsFrom(0, 3 * kBlock);
  const std::vector<int32_t> ids = Ids(Run(known));
  std::vector<BlockRef> own = Take(3);
  const int32_t first = own[0].id(), third = own[2].id();
  cache_.Insert(longer.token_ids, longer.codes, own);
  EXPECT_THAT(Ids(Match(longer, 3 * kBlock)), ElementsAre(ids[0], ids[1], third));
  EXPECT_EQ(pool_.references(first), 1);
  EXPECT_EQ(pool_.references(third), 2);
  EXPECT_EQ(cache_.evictable(), 0) << "the third is shared, and the others stand before it";
  own.clear();
  EXPECT_EQ(cache_.evictable(), 3);
  EXPECT_EQ(pool_.used(), 3);
}

TEST_P(PrefixCacheTest, ADifferentRestBecomesABranch) {
  const Positions known = PositionsFrom(0, 3 * kBlock);
  const std::vector<int32_t> ids = Ids(Run(known));
  Positions other = known;
  other.code(2 * kBlock - 1, kCodebooks - 1) += 1;  // the very last number of the second block
  const std::vector<int32_t> other_ids = Ids(Run(other));
  EXPECT_EQ(cache_.size(), 5);
  EXPECT_EQ(other_ids[0], ids[0]);
  EXPECT_THAT(Ids(Match(known, 3 * kBlock)), ElementsAre(ids[0], ids[1], ids[2]));
  EXPECT_THAT(Ids(Match(other, 3 * kBlock)), ElementsAre(ids[0], other_ids[1], other_ids[2]));
}

TEST_P(PrefixCacheTest, AShorterPrefixChangesNothingButItsUse) {
  const Positions known = PositionsFrom(0, 3 * kBlock), other = PositionsFrom(500, kBlock);
  Run(known);
  Run(other);
  const Positions shorter = PositionsFrom(0, 2 * kBlock);
  cache_.Insert(shorter.token_ids, shorter.codes, Take(2));
  EXPECT_EQ(cache_.size(), 4);
  EXPECT_EQ(pool_.used(), 4);
  // The third block of `known` was used first, then `other`, then the first two blocks.
  EXPECT_EQ(cache_.Evict(2), 2);
  EXPECT_EQ(Known(known), 2);
  EXPECT_EQ(Known(other), 0);
}

TEST_P(PrefixCacheTest, APartialBlockIsNotKept) {
  const Positions known = PositionsFrom(0, kBlock + 5);
  cache_.Insert(known.token_ids, known.codes, Take(2));
  EXPECT_EQ(cache_.size(), 1);
  EXPECT_EQ(pool_.used(), 1);
  const Positions short_of_one = PositionsFrom(500, kBlock - 1);
  cache_.Insert(short_of_one.token_ids, short_of_one.codes, Take(1));
  EXPECT_EQ(cache_.size(), 1);
}

TEST_P(PrefixCacheTest, MoreTokensThanBlocksKeepsTheBlocks) {
  const Positions known = PositionsFrom(0, 4 * kBlock);
  cache_.Insert(known.token_ids, known.codes, Take(2));
  EXPECT_EQ(Known(known), 2);
}

TEST_P(PrefixCacheTest, ABlockKnownElsewhereEndsWhatBecomesKnown) {
  const std::vector<BlockRef> blocks = Run(PositionsFrom(0, 2 * kBlock));
  const Positions other = PositionsFrom(500, 2 * kBlock);
  cache_.Insert(other.token_ids, other.codes, blocks);
  EXPECT_EQ(cache_.size(), 2);
  EXPECT_EQ(Known(other), 0);
}

TEST_P(PrefixCacheTest, EvictsTheLeastRecentlyUsedEndsFirst) {
  const Positions a = PositionsFrom(0, 2 * kBlock), b = PositionsFrom(500, 2 * kBlock);
  Run(a);
  Run(b);
  Match(a, kBlock);  // used now: the first block of a alone
  EXPECT_EQ(cache_.Evict(1), 1);
  EXPECT_EQ(Known(PositionsFrom(0, 2 * kBlock)), 1);
  EXPECT_EQ(cache_.Evict(2), 2);
  EXPECT_EQ(Known(b), 0);
  EXPECT_EQ(Known(a), 1);
  EXPECT_EQ(cache_.Evict(10), 1);
  EXPECT_EQ(cache_.Evict(10), 0);
  EXPECT_EQ(pool_.free(), pool_.total());
}

TEST_P(PrefixCacheTest, EvictingStopsAtWhatIsShared) {
  const Positions a = PositionsFrom(0, 3 * kBlock), b = PositionsFrom(500, kBlock);
  Run(a);
  std::optional<std::vector<BlockRef>> held = Match(a, 2 * kBlock);
  Run(b);
  EXPECT_EQ(cache_.evictable(), 2) << "the last block of a, and b";
  EXPECT_EQ(cache_.Evict(10), 2);
  EXPECT_EQ(Known(a), 2);
  held.reset();
  EXPECT_EQ(cache_.Evict(10), 2);
  EXPECT_EQ(pool_.free(), pool_.total());
}

TEST_P(PrefixCacheTest, EvictingNothingOrLessIsNothing) {
  Run(PositionsFrom(0, kBlock));
  EXPECT_EQ(cache_.Evict(0), 0);
  EXPECT_EQ(cache_.Evict(-1), 0);
  EXPECT_EQ(cache_.size(), 1);
}

TEST_P(PrefixCacheTest, PinnedPrefixesGoLast) {
  const Positions voice = PositionsFrom(0, 2 * kBlock + 3), other = PositionsFrom(500, 2 * kBlock);
  Run(PositionsFrom(0, 4 * kBlock), voice.length());
  EXPECT_EQ(cache_.pinned(), 2) << "whole blocks";
  Run(other);
  EXPECT_EQ(cache_.Evict(4), 4) << "what was said with the voice, and the other prompt";
  EXPECT_EQ(Known(voice), 2);
  EXPECT_EQ(Known(other), 0);
  EXPECT_EQ(cache_.Evict(1), 1) << "nothing else is left";
  EXPECT_EQ(Known(voice), 1);
  EXPECT_EQ(cache_.pinned(), 1);
}

TEST_P(PrefixCacheTest, APinStaysWhateverComesAfter) {
  const Positions voice = PositionsFrom(0, 2 * kBlock);
  Run(voice);
  Run(voice, kBlock);
  EXPECT_EQ(cache_.pinned(), 1);
  Run(voice, 2 * kBlock);
  EXPECT_EQ(cache_.pinned(), 2);
  Run(voice, 0);
  EXPECT_EQ(cache_.pinned(), 2);
}

TEST_P(PrefixCacheTest, AmongPinnedTheLeastRecentlyUsedGoesFirst) {
  const Positions a = PositionsFrom(0, kBlock), b = PositionsFrom(500, kBlock);
  Run(a, kBlock);
  Run(b, kBlock);
  EXPECT_EQ(Known(a), 1);
  EXPECT_EQ(cache_.Evict(1), 1);
  EXPECT_EQ(Known(a), 1);
  EXPECT_EQ(Known(b), 0);
}

class BoundedPinsTest : public PrefixCacheTest {
 protected:
  BoundedPinsTest() : PrefixCacheTest(3) {}
};

INSTANTIATE_TEST_SUITE_P(Hashes, BoundedPinsTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Constant" : "Seeded"; });

TEST_P(BoundedPinsTest, TheLeastRecentlyUsedVoiceLosesItsPin) {
  const Positions a = PositionsFrom(0, 2 * kBlock), b = PositionsFrom(500, 2 * kBlock);
  Run(a, 2 * kBlock);
  Run(b, 2 * kBlock);
  EXPECT_EQ(cache_.pinned(), 3);
  Run(PositionsFrom(900, kBlock));
  EXPECT_EQ(cache_.Evict(2), 2) << "the second block of a, used before the third prompt, and that";
  EXPECT_EQ(Known(b), 2);
  EXPECT_EQ(Known(a), 1);
}

TEST_P(BoundedPinsTest, AVoiceLongerThanTheBoundIsPinnedAtItsBeginning) {
  const Positions voice = PositionsFrom(0, 6 * kBlock), other = PositionsFrom(500, 3 * kBlock);
  Run(other, 3 * kBlock);
  Run(voice, 6 * kBlock);
  EXPECT_EQ(cache_.pinned(), 3);
  EXPECT_EQ(cache_.Evict(6), 6);
  EXPECT_EQ(Known(voice), 3);
  EXPECT_EQ(Known(other), 0);
}

TEST_P(PrefixCacheTest, CountsWhatItDoes) {
  const Positions a = PositionsFrom(0, 2 * kBlock);
  EXPECT_EQ(cache_.bytes(), 0u);
  Run(a);  // looks up 32 positions, finds none
  const size_t two = cache_.bytes();
  EXPECT_GE(two, 2 * kBlock * (1 + kCodebooks) * sizeof(int32_t));
  Match(a, 2 * kBlock - 1);
  cache_.Evict(1);
  EXPECT_EQ(cache_.bytes(), two / 2);
  EXPECT_EQ(cache_.stats().lookups, 2u);
  EXPECT_EQ(cache_.stats().lookup_positions, 4u * kBlock - 1);
  EXPECT_EQ(cache_.stats().hit_positions, 1u * kBlock);
  EXPECT_EQ(cache_.stats().inserted, 2u);
  EXPECT_EQ(cache_.stats().evicted, 1u);
}

TEST(PrefixCacheLifetimeTest, GivesBackAllItsBlocks) {
  BlockPool pool(4);
  {
    PrefixCache cache(&pool, kCodebooks);
    const Positions positions = PositionsFrom(0, 3 * kBlock);
    cache.Insert(positions.token_ids, positions.codes, *pool.Allocate(3));
    EXPECT_EQ(pool.used(), 3);
  }
  EXPECT_EQ(pool.used(), 0);
}

// A path of 40,000 blocks (640,000 positions) is found, shared, given back, evicted and destroyed
// on a small stack's worth of calls.
TEST(PrefixCacheLifetimeTest, AVeryLongPrefixNeedsNoRecursion) {
  constexpr int kBlocks = 40'000;
  BlockPool pool(kBlocks);
  for (const bool evict : {true, false}) {
    PrefixCache cache(&pool, kCodebooks);
    const Positions positions = PositionsFrom(0, kBlocks * kBlock);
    cache.Insert(positions.token_ids, positions.codes, *pool.Allocate(kBlocks), kBlocks * kBlock);
    EXPECT_EQ(cache.pinned(), kBlocks / 2);
    EXPECT_EQ(cache.evictable(), kBlocks);
    {
      const auto held = cache.Match(positions.token_ids, positions.codes, positions.length());
      EXPECT_EQ(static_cast<int>(held.size()), kBlocks);
      EXPECT_EQ(cache.evictable(), 0);
    }
    if (evict) {
      EXPECT_EQ(cache.Evict(kBlocks), kBlocks);
    }
  }
  EXPECT_EQ(pool.free(), kBlocks);
}

}  // namespace
}  // namespace shoal::engine
