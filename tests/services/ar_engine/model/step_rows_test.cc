#include "services/ar_engine/model/step_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/services/ar_engine/model/random_checkpoint.h"

namespace shoal::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kBlocks = 9;

class StepRowsTest : public ::testing::Test {
 protected:
  SequenceChunk Chunk() {
    SequenceChunk chunk;
    chunk.token_ids = tokens_;
    chunk.codes = codes_;
    chunk.block_table = table_;
    chunk.start = 15;
    chunk.sampling = &sampling_;
    return chunk;
  }

  std::string Error(const SequenceChunk& chunk) {
    const absl::Status status = LayOutRows({chunk}, config_, kBlocks, rows_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return status.ToString();
  }

  const checkpoint::ModelConfig config_ = SmallConfig();
  SamplingParams sampling_;
  std::vector<int32_t> tokens_ = {7, 101, 8};
  // Codes of a token that is not semantic are never looked at.
  std::vector<int32_t> codes_ = {-1, 99, 0, 0, 0, 1, 2, 3, 4, 36, 9999, 0, 0, 0, 0};
  std::vector<int32_t> table_ = {4, 8};
  StepRows rows_;
};

TEST_F(StepRowsTest, ChunksBecomeRows) {
  SequenceChunk first = Chunk();
  first.sampling = nullptr;
  SequenceChunk second = Chunk();
  second.token_ids = second.token_ids.subspan(1, 1);
  second.codes = second.codes.subspan(5, 5);
  const std::vector<int32_t> long_table = {3, 2, 1, 0, 5};
  second.block_table = long_table;
  second.start = 33;
  // What an earlier step left behind does not matter.
  const std::vector<std::vector<SequenceChunk>> before = {{}, {second, Chunk()}, {Chunk()}};
  for (const std::vector<SequenceChunk>& earlier : before) {
    ASSERT_TRUE(LayOutRows(earlier, config_, kBlocks, rows_).ok());
    ASSERT_TRUE(LayOutRows({first, second}, config_, kBlocks, rows_).ok());
    EXPECT_THAT(rows_.token_ids, ElementsAre(7, 101, 8, 101));
    EXPECT_THAT(absl::MakeConstSpan(rows_.codes).last(5), ElementsAre(1, 2, 3, 4, 36));
    const PagedRows places = rows_.places();
    EXPECT_THAT(places.position, ElementsAre(15, 16, 17, 33));
    EXPECT_THAT(places.sequence, ElementsAre(0, 0, 0, 1));
    EXPECT_THAT(places.block_tables, ElementsAre(4, 8, 0, 3, 2, 1));
    EXPECT_EQ(places.blocks, 3);
    EXPECT_THAT(rows_.draw_chunks, ElementsAre(1));
    EXPECT_THAT(rows_.draw_rows, ElementsAre(3));
  }
}

TEST_F(StepRowsTest, EmptyChunkIsRefused) {
  SequenceChunk chunk = Chunk();
  chunk.token_ids = {};
  EXPECT_THAT(Error(chunk), HasSubstr("token_ids"));
}

TEST_F(StepRowsTest, PositionsBeyondTheModelAreRefused) {
  SequenceChunk chunk = Chunk();
  chunk.start = static_cast<int32_t>(config_.text.max_seq_len) - 2;
  EXPECT_THAT(Error(chunk), HasSubstr("max_seq_len"));
  chunk.start = -1;
  EXPECT_THAT(Error(chunk), HasSubstr("max_seq_len"));
}

TEST_F(StepRowsTest, CodesOfAnotherLengthAreRefused) {
  SequenceChunk chunk = Chunk();
  chunk.codes = chunk.codes.first(14);
  EXPECT_THAT(Error(chunk), HasSubstr("codes"));
}

TEST_F(StepRowsTest, ShortBlockTableIsRefused) {
  SequenceChunk chunk = Chunk();
  chunk.block_table = chunk.block_table.first(1);
  EXPECT_THAT(Error(chunk), HasSubstr("block_table"));
}

TEST_F(StepRowsTest, UnknownBlocksAreRefused) {
  table_[1] = kBlocks;
  EXPECT_THAT(Error(Chunk()), HasSubstr("block 9"));
  table_[1] = -1;
  EXPECT_THAT(Error(Chunk()), HasSubstr("block -1"));
}

TEST_F(StepRowsTest, UnknownTokensAndCodesAreRefused) {
  tokens_[2] = static_cast<int32_t>(config_.text.vocab_size);
  EXPECT_THAT(Error(Chunk()), HasSubstr("token 150"));
  tokens_[2] = -5;
  EXPECT_THAT(Error(Chunk()), HasSubstr("token -5"));
  tokens_[2] = 8;
  codes_[9] = 37;
  EXPECT_THAT(Error(Chunk()), HasSubstr("code 37"));
  codes_[9] = -2;
  EXPECT_THAT(Error(Chunk()), HasSubstr("code -2"));
}

TEST_F(StepRowsTest, ErrorNamesTheChunk) {
  SequenceChunk bad = Chunk();
  bad.start = -1;
  EXPECT_THAT(LayOutRows({Chunk(), bad}, config_, kBlocks, rows_).ToString(), HasSubstr("chunk 1"));
}

}  // namespace
}  // namespace shoal::engine
