// A FrameModel that passes everything on to another one and objects to what an engine must not ask
// for. It remembers which blocks the steps in flight name, for tests to look at.
//
// Used by the test's thread.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_AUDITED_MODEL_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_AUDITED_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {

class AuditedModel final : public FrameModel {
 public:
  struct Limits {
    int rows, prompt_positions;  // of a step
  };
  // Blocks that one row of a step in flight names, and the first position it writes.
  struct Row {
    std::vector<int32_t> blocks;
    int start;
  };

  AuditedModel(FrameModel* model, const Limits& limits) : model_(model), limits_(limits) {}

  void Launch(absl::Span<const SequenceChunk> chunks) override {
    EXPECT_LT(static_cast<int>(in_flight_.size()), max_in_flight());
    EXPECT_FALSE(chunks.empty());
    EXPECT_LE(static_cast<int>(chunks.size()), limits_.rows);
    int prompt_positions = 0;
    std::vector<Row> rows;
    std::set<int> drawn_by;
    for (const SequenceChunk& chunk : chunks) {
      const int length = std::max<int>(1, static_cast<int>(chunk.token_ids.size()));
      if (length > 1) prompt_positions += length;
      EXPECT_GE(chunk.block_table.size() * kBlockPositions,
                static_cast<size_t>(chunk.start + length));
      EXPECT_EQ(chunk.token_ids.size() * num_codebooks(), chunk.codes.size());
      EXPECT_EQ(chunk.token_ids.empty(), chunk.drawn_by >= 0);
      if (chunk.drawn_by >= 0) {
        EXPECT_NE(chunk.sampling, nullptr);
        EXPECT_EQ(chunk.history.size() + 1, chunk.frame);
        EXPECT_TRUE(drawn_by.insert(chunk.drawn_by).second);
        EXPECT_FALSE(in_flight_.empty());
        if (!in_flight_.empty()) {
          EXPECT_LT(chunk.drawn_by, static_cast<int>(in_flight_.back().size()));
        }
      }
      rows.push_back({{chunk.block_table.begin(), chunk.block_table.end()}, chunk.start});
    }
    EXPECT_LE(prompt_positions, limits_.prompt_positions);
    in_flight_.push_back(std::move(rows));
    steps_with_two += in_flight_.size() == 2;
    model_->Launch(chunks);
  }

  absl::StatusOr<std::vector<DrawnFrame>> Collect() override {
    EXPECT_FALSE(in_flight_.empty());
    in_flight_.pop_front();
    return model_->Collect();
  }

  int max_in_flight() const override { return model_->max_in_flight(); }
  int num_blocks() const override { return model_->num_blocks(); }
  int num_codebooks() const override { return model_->num_codebooks(); }
  int max_seq_len() const override { return model_->max_seq_len(); }

  const std::deque<std::vector<Row>>& in_flight() const { return in_flight_; }
  int steps_with_two = 0;

 private:
  FrameModel* const model_;
  const Limits limits_;
  std::deque<std::vector<Row>> in_flight_;
};

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_AUDITED_MODEL_H_
