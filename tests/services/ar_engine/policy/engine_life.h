// EngineLife: an engine with a model that hashes, a clock that the test moves, and a plain model of
// what its listeners must hear. Check() says whether anything is as it must not be; requests come
// from a few voices that are alike but for one residual codebook, so that wrong sharing of KV shows
// in the codes.
//
// Used by the test's thread.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_ENGINE_LIFE_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_ENGINE_LIFE_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/policy/model_executor.h"
#include "tests/services/ar_engine/policy/audited_model.h"
#include "tests/services/ar_engine/policy/hashing_model.h"
#include "tests/services/ar_engine/policy/recording_sink.h"

namespace shoal::engine {

class EngineLife {
 public:
  struct Options {
    HashingModel::Options model = {};
    Engine::Options engine = {};
    bool threaded = false;
    int max_in_flight = 1;
  };

  explicit EngineLife(Options options)
      : sizes_(options.model),
        model_(options.model),
        executor_(&model_, {.semantic_start = sizes_.semantic_start,
                            .threaded = options.threaded,
                            .max_in_flight = options.max_in_flight}),
        audited_(&executor_, {.rows = options.engine.scheduler.max_running,
                              .prompt_positions = options.engine.scheduler.prefill_tokens}) {
    options.engine.semantic_start = sizes_.semantic_start;
    options.engine.clock = [this] { return now_; };
    engine_ = std::make_unique<Engine>(options.engine, &audited_, &sink_);
  }

  Engine& engine() { return *engine_; }
  AuditedModel& model() { return audited_; }
  HashingModel& hashing_model() { return model_; }
  RecordingSink& sink() { return sink_; }
  const std::map<uint64_t, Request>& accepted() const { return accepted_; }
  void Wait(double seconds) {
    now_ +=
        std::chrono::duration_cast<Engine::Clock::duration>(std::chrono::duration<double>(seconds));
  }

  // A prompt of `voice_length` positions of a voice and a text of its own.
  Request RequestOf(uint64_t stream, int voice, int voice_length, int text_length,
                    int max_frames) const {
    Request request;
    request.stream = {.front = 1, .high = 0, .low = stream};
    request.prompt_length = voice_length + text_length;
    request.max_frames = max_frames;
    request.pinned_length = voice_length;
    request.frame_seconds = kFrameSeconds;
    request.sampling.seed = stream;
    std::mt19937 voices(7), text(static_cast<uint32_t>(stream));
    for (int i = 0; i < request.prompt_length; ++i) {
      const bool speaks = i < voice_length ? i % 4 != 0 : false;
      std::mt19937& random = i < voice_length ? voices : text;
      const int32_t code = static_cast<int32_t>(random() % sizes_.n_semantic);
      request.token_ids.push_back(speaks ? sizes_.semantic_start + code : code);
      request.codes.push_back(speaks ? code : 0);
      for (int k = 1; k < sizes_.num_codebooks; ++k) {
        // Only the last codebook tells the voices apart.
        const int32_t residual = static_cast<int32_t>(voices() % 20);
        request.codes.push_back(!speaks                         ? 0
                                : k == sizes_.num_codebooks - 1 ? residual + voice
                                                                : residual);
      }
    }
    return request;
  }

  bool Submit(const Request& request) {
    const absl::Status status = engine_->Submit(request);
    if (status.ok()) {
      accepted_[request.stream.low] = request;
      credits_[request.stream.low] = request.credit_frames;
    } else {
      EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
      EXPECT_GT(RetryAfterSeconds(status), 0);
    }
    return status.ok();
  }
  void Cancel(uint64_t stream) {
    if (engine_->Cancel([&](const Sequence& s) { return s.stream().low == stream; }) > 0) {
      stopped_.insert(stream);
    }
  }
  void Fail(uint64_t stream) {
    if (engine_->Fail([&](const Sequence& s) { return s.stream().low == stream; },
                      absl::UnavailableError("told to")) > 0) {
      stopped_.insert(stream);
    }
  }
  void Update(uint64_t stream, const ListenerNews& news) {
    const Sequence* sequence = engine_->Find({.front = 1, .high = 0, .low = stream});
    int32_t& credit = credits_[stream];
    if (sequence != nullptr && news.credit_frames > 0) {
      // Where there was no limit, frames in flight may pass the first one.
      const int known = credit > 0 ? credit : static_cast<int>(sequence->frames()) + 2;
      credit = std::max(known, news.credit_frames);
    }
    engine_->Update({.front = 1, .high = 0, .low = stream}, news);
  }

  // Steps until nothing is left; credits are lifted.
  void RunAll() {
    for (const auto& [stream, request] : accepted_) {
      if (credits_[stream] > 0) Update(stream, {.credit_frames = request.max_frames});
    }
    int idle_steps = 0;
    for (int step = 0; !engine_->idle(); ++step) {
      ASSERT_LT(step, 200000) << "no end";
      idle_steps = engine_->Step().worked() ? 0 : idle_steps + 1;
      ASSERT_EQ(idle_steps, 0) << "there is work and nothing is done";
      Wait(0.01);
    }
  }

  // What must hold after every call of the engine.
  void Check() {
    std::vector<Sequence*> sequences = engine_->scheduler().sequences();
    CheckTurns(sequences);
    CheckBlocks(sequences);
    CheckInFlight(sequences);
  }

  // What must hold when all is done: every turn was heard as it would have been alone, and nothing
  // but what the cache knows is in use.
  void CheckEnd() {
    EXPECT_EQ(sink_.heard.size(), accepted_.size());
    for (const auto& [stream, request] : accepted_) {
      SCOPED_TRACE("stream " + std::to_string(stream));
      const Heard& heard = sink_.heard[stream];
      const HashingModel::Turn expected = Expected(request);
      if (stopped_.count(stream) > 0) {
        ASSERT_LE(heard.frames.size(), expected.frames.size());
        EXPECT_TRUE(std::equal(heard.frames.begin(), heard.frames.end(), expected.frames.begin()));
      } else {
        EXPECT_EQ(heard.frames, expected.frames);
        EXPECT_EQ(heard.finished, expected.reason);
      }
    }
    EXPECT_TRUE(audited_.in_flight().empty());
    EXPECT_EQ(engine_->memory().arriving(), 0);
    EXPECT_EQ(engine_->blocks().used(), engine_->prefix_cache().size());
    EXPECT_EQ(engine_->blocks().used(), engine_->prefix_cache().evictable());
  }

  static constexpr double kFrameSeconds = 0.05;

 private:
  HashingModel::Turn Expected(const Request& request) const {
    Request shorter = request;
    if (request.runaway_frames > 0) {
      shorter.max_frames = std::min(request.max_frames, request.runaway_frames);
    }
    HashingModel::Turn turn = HashingModel::ExpectedTurn(shorter, sizes_);
    if (shorter.max_frames < request.max_frames && turn.reason == FinishReason::kMaxFrames) {
      turn.reason = FinishReason::kRunaway;
    }
    return turn;
  }

  // Accepted turns are known until they end, and nobody draws past its credit.
  void CheckTurns(const std::vector<Sequence*>& sequences) {
    size_t ended = 0;
    for (const auto& [stream, heard] : sink_.heard) {
      ended += heard.ended();
      const int32_t credit = credits_[stream];
      if (credit > 0) {
        EXPECT_LE(static_cast<int32_t>(heard.frames.size()), credit) << stream;
      }
    }
    size_t unheard = 0;  // cancelled before anything was heard of them
    for (const uint64_t stream : stopped_) unheard += sink_.heard.count(stream) == 0;
    EXPECT_EQ(unheard, 0u);
    EXPECT_EQ(accepted_.size(), sequences.size() + ended);
    EXPECT_EQ(static_cast<int>(sequences.size()), engine_->running() + engine_->waiting());
  }

  // Every block has exactly the owners it should have, and what may be written to has one.
  void CheckBlocks(const std::vector<Sequence*>& sequences) {
    const BlockPool& pool = engine_->blocks();
    int references = 0, owned = 0, given_up = 0;
    std::map<int32_t, const Sequence*> first_owner;
    for (int32_t block = 0; block < pool.total(); ++block) references += pool.references(block);
    for (const Sequence* sequence : sequences) {
      const auto blocks = sequence->blocks();
      owned += static_cast<int>(blocks.size());
      if (sequence->gives_up_blocks) given_up += static_cast<int>(blocks.size());
      ASSERT_GE(static_cast<int>(blocks.size()), BlocksFor(sequence->launched()));
      ASSERT_LE(sequence->kv_length(), sequence->launched());
      ASSERT_LE(sequence->kv_length(), sequence->length());
      for (size_t i = 0; i < blocks.size(); ++i) {
        const int32_t block = blocks[i].id();
        if (static_cast<int>(i) >= sequence->kv_length() / FrameModel::kBlockPositions) {
          ASSERT_EQ(pool.references(block), 1) << "others read what is being written";
        }
        const auto [it, is_first] = first_owner.emplace(block, sequence);
        ASSERT_TRUE(is_first || SamePrefix(*it->second, *sequence, i)) << "block " << block;
      }
    }
    const int retired = engine_->memory().arriving() - given_up;
    ASSERT_EQ(references, owned + retired + engine_->prefix_cache().size());
  }

  bool SamePrefix(const Sequence& a, const Sequence& b, size_t block) const {
    const size_t positions = (block + 1) * FrameModel::kBlockPositions;
    const size_t codes = positions * sizes_.num_codebooks;
    const Request &x = a.request(), &y = b.request();
    return x.token_ids.size() >= positions && y.token_ids.size() >= positions &&
           std::equal(x.token_ids.begin(), x.token_ids.begin() + positions, y.token_ids.begin()) &&
           std::equal(x.codes.begin(), x.codes.begin() + codes, y.codes.begin());
  }

  // Blocks that a step in flight names are not free, and those that it writes are not someone
  // else's to read or write.
  void CheckInFlight(const std::vector<Sequence*>& sequences) {
    const BlockPool& pool = engine_->blocks();
    for (const auto& rows : audited_.in_flight()) {
      for (const AuditedModel::Row& row : rows) {
        for (const int32_t block : row.blocks) ASSERT_GT(pool.references(block), 0);
        for (size_t i = row.start / FrameModel::kBlockPositions; i < row.blocks.size(); ++i) {
          ASSERT_EQ(pool.references(row.blocks[i]), 1);
        }
      }
    }
    if (!audited_.in_flight().empty()) return;
    for (const Sequence* sequence : sequences) ASSERT_EQ(sequence->in_flight(), 0);
  }

  const HashingModel::Options sizes_;
  Engine::TimePoint now_{std::chrono::hours(1)};
  HashingModel model_;
  ModelExecutor executor_;
  AuditedModel audited_;
  RecordingSink sink_;
  std::unique_ptr<Engine> engine_;
  std::map<uint64_t, Request> accepted_;
  std::map<uint64_t, int32_t> credits_;  // 0: no limit
  std::set<uint64_t> stopped_;           // cancelled or failed
};

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_ENGINE_LIFE_H_
