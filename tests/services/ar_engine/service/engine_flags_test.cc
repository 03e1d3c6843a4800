#include "services/ar_engine/service/engine_flags.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::engine {
namespace {

using ::testing::HasSubstr;

EngineFlags Good() {
  EngineFlags flags;
  flags.checkpoint = "/model";
  return flags;
}

TEST(EngineFlagsTest, DefaultsNeedOnlyACheckpoint) {
  EXPECT_TRUE(CheckEngineFlags(Good()).ok());
  EXPECT_THAT(std::string(CheckEngineFlags(EngineFlags()).message()), HasSubstr("--checkpoint"));
}

TEST(EngineFlagsTest, ErrorsNameTheFlag) {
  struct BadCase {
    const char* flag;
    std::function<void(EngineFlags&)> spoil;
  };
  const std::vector<BadCase> cases = {
      {"--threads", [](EngineFlags& f) { f.threads = 0; }},
      {"--kv-blocks", [](EngineFlags& f) { f.kv_blocks = -1; }},
      {"--kv-memory-mb", [](EngineFlags& f) { f.kv_memory_mb = 0; }},
      {"--max-batch", [](EngineFlags& f) { f.max_batch = 0; }},
      {"--max-streams", [](EngineFlags& f) { f.max_streams = -1; }},
      {"--max-waiting", [](EngineFlags& f) { f.max_waiting = -1; }},
      {"--prefill-tokens", [](EngineFlags& f) { f.prefill_tokens = 0; }},
      {"--test-gate-file", [](EngineFlags& f) { f.test_gate.frame = 0; }},
  };
  for (const BadCase& bad : cases) {
    EngineFlags flags = Good();
    bad.spoil(flags);
    EXPECT_THAT(std::string(CheckEngineFlags(flags).message()), HasSubstr(bad.flag));
  }
}

TEST(EngineFlagsTest, KvBlocksFollowFromMemoryUpToWhatCanBeUsed) {
  EngineFlags flags = Good();
  flags.kv_memory_mb = 10;
  flags.max_batch = 4;
  flags.prefix_cache = false;
  EXPECT_EQ(KvBlocksFor(flags, 1 << 20, 1000), 10);
  EXPECT_EQ(KvBlocksFor(flags, 1 << 10, 1000), 4 * 63) << "1000 positions are 63 blocks";
  EXPECT_EQ(KvBlocksFor(flags, 1 << 30, 1000), 1);
  flags.max_streams = 6;
  EXPECT_EQ(KvBlocksFor(flags, 1 << 10, 1000), 6 * 63);
  flags.prefix_cache = true;
  EXPECT_EQ(KvBlocksFor(flags, 1 << 10, 1000), 2 * 6 * 63) << "room to remember";
  flags.kv_blocks = 77;
  EXPECT_EQ(KvBlocksFor(flags, 1 << 10, 1000), 77);
}

TEST(EngineFlagsTest, SchedulingAndCacheAreChosen) {
  EngineFlags flags = Good();
  service::FlagSet set("test", "");
  AddEngineFlags(set, &flags);
  const char* const arguments[] = {"test", "--scheduling=first-come", "--no-prefix-cache",
                                   "--max-streams=40"};
  ASSERT_TRUE(set.Parse(4, arguments).ok());
  const EngineService::Options options = ServiceOptionsFor(flags, checkpoint::ModelConfig());
  EXPECT_EQ(options.scheduler.policy, Policy::kFirstCome);
  EXPECT_EQ(options.scheduler.max_streams, 40);
  EXPECT_FALSE(options.prefix_cache);
}

TEST(EngineFlagsTest, SizesComeFromTheModel) {
  checkpoint::ModelConfig model;
  model.num_codebooks = 10;
  model.text.vocab_size = 5000;
  model.text.max_seq_len = 800;
  model.audio.vocab_size = 64;
  model.semantic_start = 4000;
  model.semantic_end = 4255;
  EngineFlags flags = Good();
  flags.max_batch = 5;
  const EngineService::Options options = ServiceOptionsFor(flags, model);
  EXPECT_EQ(options.sizes.n_semantic, 256);
  EXPECT_EQ(options.sizes.vocab_size, 5000);
  EXPECT_EQ(options.sizes.codebook_entries, 64);
  EXPECT_EQ(options.sizes.semantic_start, 4000);
  EXPECT_EQ(options.scheduler.max_running, 5);
  EXPECT_EQ(options.scheduler.policy, Policy::kDeadline);
  EXPECT_TRUE(options.prefix_cache);
  EXPECT_EQ(options.channel.self.limits().num_codebooks(), 10u);
  EXPECT_EQ(options.channel.self.limits().max_seq_len(), 800u);
}

}  // namespace
}  // namespace shoal::engine
