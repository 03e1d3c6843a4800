// A StepModel without a model, for tests of the policy: it keeps what the engine feeds it in "KV
// blocks", and every code it draws is a hash of all positions that the block table leads to. A
// position that is missing, doubled, stale or overwritten by another sequence changes the codes,
// and ExpectedTurn says what they have to be.
//
// Used by one thread.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_HASHING_MODEL_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_HASHING_MODEL_H_

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/policy/frame_model.h"
#include "services/ar_engine/policy/sequence.h"

namespace shoal::engine {

class HashingModel final : public StepModel {
 public:
  struct Options {
    int num_blocks = 64;
    int num_codebooks = 3;
    int max_seq_len = 256;
    int32_t semantic_start = 1000;
    int32_t n_semantic = 100;
    int end_one_in = 0;                    // about one frame in so many is eos; 0 = none
    std::set<uint64_t> broken_seeds = {};  // sequences whose draws fail alone
  };

  explicit HashingModel(const Options& options)
      : broken_seeds(options.broken_seeds),
        options_(options),
        kv_(static_cast<size_t>(options.num_blocks) * kBlockPositions) {}

  absl::StatusOr<std::vector<DrawnFrame>> Step(absl::Span<const SequenceChunk> chunks) override {
    if (!next_step.ok()) return std::exchange(next_step, absl::OkStatus());
    std::vector<DrawnFrame> drawn;
    int positions = 0;
    for (const SequenceChunk& chunk : chunks) {
      drawn.push_back(Run(chunk));
      positions += static_cast<int>(chunk.token_ids.size());
    }
    if (step_seconds != nullptr) step_seconds(static_cast<int>(chunks.size()), positions);
    return drawn;
  }

  int num_blocks() const override { return options_.num_blocks; }
  int num_codebooks() const override { return options_.num_codebooks; }
  int max_seq_len() const override { return options_.max_seq_len; }
  const Options& options() const { return options_; }

  // The frames of a turn, drawn one at a time from nothing but the request.
  struct Turn {
    std::vector<std::vector<int32_t>> frames;  // earlier attempts' not included
    FinishReason reason = FinishReason::kMaxFrames;
  };
  static Turn ExpectedTurn(const Request& request, const Options& options) {
    Turn turn;
    uint64_t hash = kSeed;
    for (size_t i = 0; i < request.token_ids.size(); ++i) {
      hash = Mix(
          hash, Position(request.token_ids[i], &request.codes[i * options.num_codebooks], options));
    }
    size_t frame = request.token_ids.size() - request.prompt_length;
    for (; frame < static_cast<size_t>(request.max_frames); ++frame) {
      const DrawnFrame drawn = Draw(hash, request.sampling.seed, request.turn, frame, options);
      if (drawn.end) {
        turn.reason = FinishReason::kStop;
        break;
      }
      turn.frames.push_back(drawn.codes);
      hash =
          Mix(hash, Position(options.semantic_start + drawn.codes[0], drawn.codes.data(), options));
    }
    return turn;
  }

  absl::Status next_step;           // an error: the next step returns it
  std::set<uint64_t> broken_seeds;  // as in Options, may change between steps
  std::function<void(int rows, int positions)> step_seconds;  // lets time pass; null: none

 private:
  static constexpr uint64_t kSeed = 0x9e3779b97f4a7c15;

  static uint64_t Mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0xff51afd7ed558ccd;
    return hash ^ (hash >> 32);
  }

  static uint64_t Position(int32_t token, const int32_t* codes, const Options& options) {
    uint64_t hash = Mix(kSeed, token);
    if (token < options.semantic_start || token >= options.semantic_start + options.n_semantic) {
      return hash;
    }
    for (int k = 0; k < options.num_codebooks; ++k) hash = Mix(hash, codes[k]);
    return hash;
  }

  static DrawnFrame Draw(uint64_t hash, uint64_t seed, uint32_t turn, uint32_t frame,
                         const Options& options) {
    hash = Mix(Mix(Mix(hash, seed), turn), frame);
    DrawnFrame drawn;
    drawn.drawn = true;
    drawn.end = options.end_one_in > 0 && hash % options.end_one_in == 0;
    for (int k = 0; k < options.num_codebooks; ++k) {
      hash = Mix(hash, k);
      drawn.codes.push_back(static_cast<int32_t>(hash % options.n_semantic));
    }
    return drawn;
  }

  uint64_t& At(const SequenceChunk& chunk, int position) {
    const int32_t block = chunk.block_table.at(position / kBlockPositions);
    return kv_.at(static_cast<size_t>(block) * kBlockPositions + position % kBlockPositions);
  }

  DrawnFrame Run(const SequenceChunk& chunk) {
    const int length = static_cast<int>(chunk.token_ids.size());
    for (int i = 0; i < length; ++i) {
      At(chunk, chunk.start + i) = Position(
          chunk.token_ids[i], &chunk.codes[static_cast<size_t>(i) * num_codebooks()], options_);
    }
    if (chunk.sampling == nullptr) return {};
    if (broken_seeds.count(chunk.sampling->seed) > 0) {
      DrawnFrame broken;
      broken.status = absl::InternalError("logits are not finite");
      return broken;
    }
    if (chunk.history.size() != chunk.frame) {
      DrawnFrame wrong;
      wrong.status = absl::InternalError("history does not match the frame's number");
      return wrong;
    }
    uint64_t hash = kSeed;
    for (int i = 0; i < chunk.start + length; ++i) hash = Mix(hash, At(chunk, i));
    return Draw(hash, chunk.sampling->seed, chunk.turn, chunk.frame, options_);
  }

  const Options options_;
  std::vector<uint64_t> kv_;  // hash of the position, by block and offset
};

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_HASHING_MODEL_H_
