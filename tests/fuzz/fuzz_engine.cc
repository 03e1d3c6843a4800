// Bytes as a life of an engine: requests, cancels, news of listeners, time and steps, in any order,
// over a model whose codes are a hash of everything that its KV holds. After every operation each
// stream's frames are in order, end once, and stay below its credit; what the engine knows is what
// was accepted and has not ended. In the end all turns have exactly the codes that they would have
// alone, and nothing but what the prefix cache knows holds a block.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/policy/model_executor.h"
#include "tests/services/ar_engine/policy/hashing_model.h"

namespace shoal::engine {
namespace {

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// The input, read as small numbers; zeros when it is used up.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  // Evenly below `limit` <= 256.
  int Below(int limit) {
    if (rest_.empty()) return 0;
    const int value = rest_.front();
    rest_.remove_prefix(1);
    return value % limit;
  }
  int Between(int low, int high) { return low + Below(high - low + 1); }

 private:
  absl::Span<const uint8_t> rest_;
};

constexpr int kStreams = 8, kMaxSeqLen = 160, kCodebooks = 2;
constexpr double kFrameSeconds = 0.05;

// A turn that the engine accepted.
struct Turn {
  Request request;
  uint32_t credit = 0;  // 0: no limit
  std::vector<std::vector<int32_t>> frames = {};
  bool started = false, ended = false;
  std::optional<FinishReason> reason = std::nullopt;
};

class World final : public EngineSink {
 public:
  explicit World(Bytes* bytes)
      : bytes_(bytes),
        sizes_{.num_blocks = bytes->Between(10, 60),
               .num_codebooks = kCodebooks,
               .max_seq_len = kMaxSeqLen,
               .end_one_in = 5 * bytes->Below(8)},
        model_(sizes_) {
    Engine::Options options;
    options.scheduler.policy =
        bytes->Below(4) == 0 ? Scheduler::Policy::kFirstCome : Scheduler::Policy::kDeadline;
    options.scheduler.max_running = bytes->Between(1, 6);
    options.scheduler.max_streams = bytes->Below(9);
    options.scheduler.max_waiting = bytes->Below(5);
    options.scheduler.prefill_tokens = bytes->Between(1, 64);
    options.scheduler.hurry = {.near_empty = 0.1, .plenty = 0.5, .margin = 0.1 * bytes->Below(5)};
    options.semantic_start = sizes_.semantic_start;
    options.prefix_cache = bytes->Below(5) != 0;
    options.clock = [this] { return now_; };
    executor_ = std::make_unique<ModelExecutor>(
        &model_, ModelExecutor::Options{.semantic_start = sizes_.semantic_start,
                                        .max_in_flight = bytes->Between(1, 2)});
    engine_ = std::make_unique<Engine>(options, executor_.get(), this);
  }

  void Live() {
    while (!bytes_->empty()) {
      Operate();
      CheckKnown();
    }
    End();
  }

  void OnStarted(const Sequence& sequence) override {
    Turn& turn = Of(sequence);
    Require(!turn.started && !turn.ended, "started twice, or after its end");
    turn.started = true;
  }
  absl::Status OnFrame(const Sequence& sequence, uint32_t frame,
                       absl::Span<const int32_t> codes) override {
    Turn& turn = Of(sequence);
    Require(turn.started && !turn.ended, "a frame of a turn that does not run");
    Require(frame == FirstFrame(turn.request) + turn.frames.size(), "a frame out of order");
    Require(turn.credit == 0 || frame < turn.credit, "a frame beyond the credit");
    Require(codes.size() == kCodebooks, "a frame of another size");
    turn.frames.emplace_back(codes.begin(), codes.end());
    return taking_ ? absl::OkStatus() : absl::UnavailableError("nobody takes frames");
  }
  void OnFinished(const Sequence& sequence, FinishReason reason) override {
    Turn& turn = Of(sequence);
    Require(!turn.ended, "ended twice");
    turn.ended = true;
    turn.reason = reason;
    Require(sequence.frames() == FirstFrame(turn.request) + turn.frames.size(),
            "the number of frames is not that of the frames");
  }
  void OnFailed(const Sequence& sequence, const absl::Status&) override {
    Turn& turn = Of(sequence);
    Require(!turn.ended, "ended twice");
    turn.ended = true;
  }

 private:
  static StreamKey KeyOf(uint64_t low) { return {.front = 1, .high = 0, .low = low}; }

  static uint32_t FirstFrame(const Request& request) {
    return static_cast<uint32_t>(request.token_ids.size()) - request.prompt_length;
  }

  void Operate() {
    switch (bytes_->Below(12)) {
      case 0:
      case 1:
      case 2:
        return Submit();
      case 3:
        return Cancel();
      case 4:
      case 5:
        return Update();
      case 6:
        now_ += std::chrono::milliseconds(10 * bytes_->Below(100));
        return;
      case 7:
        return Trouble();
      default:
        for (int steps = bytes_->Between(1, 8); steps > 0; --steps) Step();
    }
  }

  void Submit() {
    Request request = MakeRequest();
    const StreamKey key = request.stream;
    if (engine_->Find(key) != nullptr) return;  // one turn of a stream at a time
    Turn turn{.request = request, .credit = static_cast<uint32_t>(request.credit_frames)};
    const absl::Status status = engine_->Submit(std::move(request));
    Require(status.ok() || absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status),
            "another refusal than the two");
    if (absl::IsResourceExhausted(status)) {
      Require(RetryAfterSeconds(status) > 0, "a retry at once");
    }
    if (!status.ok()) return;
    if (const auto old = turns_.find(key.low); old != turns_.end()) CheckTurn(old->second);
    turns_.insert_or_assign(key.low, std::move(turn));
  }

  // Prompts begin like one of few, so that their blocks are known, and part somewhere.
  Request MakeRequest() {
    Request request;
    request.stream = {.front = 1, .high = 0, .low = static_cast<uint64_t>(bytes_->Below(kStreams))};
    request.turn = ++submitted_;
    const int voice = bytes_->Below(3), shared = bytes_->Below(70), own = bytes_->Between(1, 40);
    for (int i = 0; i < shared + own; ++i) {
      const bool semantic = i % 3 != 0;
      const int code = (i < shared ? voice + i : voice + i + bytes_->Below(2)) % sizes_.n_semantic;
      request.token_ids.push_back(semantic ? sizes_.semantic_start + code : code);
      request.codes.push_back(semantic ? code : 0);
      request.codes.push_back(semantic ? voice : 0);
    }
    request.prompt_length = shared + own - (bytes_->Below(4) == 0 ? FramesAtEnd(request) : 0);
    request.pinned_length = bytes_->Below(2) * std::min(shared, request.prompt_length);
    request.max_frames = static_cast<int32_t>(FirstFrame(request)) + bytes_->Between(1, 60);
    request.sampling.seed = request.turn;
    request.priority = bytes_->Below(5) == 0 ? Priority::kWholeFile : Priority::kPlayback;
    request.frame_seconds = kFrameSeconds;
    request.buffered_seconds = 0.1 * bytes_->Below(30);
    if (bytes_->Below(3) == 0) {
      request.credit_frames = static_cast<int32_t>(FirstFrame(request)) + bytes_->Between(1, 20);
    }
    if (bytes_->Below(4) == 0) request.runaway_frames = bytes_->Between(1, 30);
    if (bytes_->Below(4) == 0) request.wait_limit = 0.1 * bytes_->Between(1, 50);
    return request;
  }

  // Semantic positions at the end of a prompt, as an earlier attempt's frames would be there; at
  // least one position is left before them.
  static int FramesAtEnd(const Request& request) {
    int frames = 0;
    const int length = static_cast<int>(request.token_ids.size());
    while (frames + 1 < length && request.token_ids[length - 1 - frames] >= 1000) ++frames;
    return frames;
  }

  void Cancel() {
    const uint64_t low = bytes_->Below(kStreams);
    const bool running = engine_->Find(KeyOf(low)) != nullptr;
    const int cancelled =
        engine_->Cancel([&](const Sequence& sequence) { return sequence.stream().low == low; });
    Require(cancelled == (running ? 1 : 0), "cancelled another number than were there");
    Require(!running || turns_.at(low).ended, "a cancelled turn has not ended");
  }

  void Update() {
    const uint64_t low = bytes_->Below(kStreams);
    ListenerNews news;
    news.buffered_seconds = 0.1 * bytes_->Below(50);
    news.credit_frames = bytes_->Below(80);
    news.next_frame = static_cast<uint32_t>(bytes_->Below(60));
    const auto turn = turns_.find(low);
    if (turn == turns_.end()) return;
    news.turn = turn->second.request.turn - (bytes_->Below(4) == 0 ? 1 : 0);
    Tell(low, news);
  }

  void Tell(uint64_t low, const ListenerNews& news) {
    Turn& turn = turns_.at(low);
    // Credit only grows. Of a turn that began without a limit frames may be in flight already.
    if (news.turn == turn.request.turn && turn.credit > 0) {
      turn.credit = std::max(turn.credit, static_cast<uint32_t>(news.credit_frames));
    }
    engine_->Update(KeyOf(low), news);
  }

  void Trouble() {
    switch (bytes_->Below(4)) {
      case 0:
        model_.next_step = absl::InternalError("the device failed");
        return;
      case 1:
        taking_ = !taking_;
        return;
      case 2:
        if (submitted_ > 0) model_.broken_seeds.insert(submitted_ - bytes_->Below(2));
        return;
      default: {
        const uint64_t low = bytes_->Below(kStreams);
        engine_->Fail([&](const Sequence& sequence) { return sequence.stream().low == low; },
                      absl::AbortedError("its front is gone"));
      }
    }
  }

  void Step() {
    engine_->Step();
    now_ += std::chrono::milliseconds(5);
  }

  void CheckKnown() const {
    int known = 0;
    for (const auto& [low, turn] : turns_) {
      const bool found = engine_->Find(KeyOf(low)) != nullptr;
      Require(found == !turn.ended, "the engine knows other turns than those that run");
      known += found ? 1 : 0;
    }
    Require(engine_->running() + engine_->waiting() == known, "sequences nobody asked for");
  }

  // Everybody gets what they wait for, and it comes to its end.
  void End() {
    taking_ = true;
    for (int step = 0; !engine_->idle(); ++step) {
      Require(step < 20000, "does not come to an end");
      for (const auto& [low, turn] : turns_) {
        const Sequence* sequence = engine_->Find(KeyOf(low));
        if (sequence == nullptr) continue;
        Tell(low,
             {.turn = turn.request.turn, .credit_frames = 1000, .next_frame = sequence->frames()});
      }
      Step();
      CheckKnown();
    }
    for (const auto& [low, turn] : turns_) CheckTurn(turn);
    Require(engine_->memory().arriving() == 0, "blocks on their way back when nothing runs");
    Require(engine_->blocks().used() == engine_->prefix_cache().size(),
            "blocks that nobody knows of are not free");
    Require(engine_->prefix_cache().evictable() == engine_->prefix_cache().size(),
            "remembered blocks that somebody else holds");
  }

  // The frames are those of the turn alone, as far as it came.
  void CheckTurn(const Turn& turn) const {
    const HashingModel::Turn expected = HashingModel::ExpectedTurn(turn.request, sizes_);
    Require(turn.frames.size() <= expected.frames.size(), "more frames than there are");
    Require(std::equal(turn.frames.begin(), turn.frames.end(), expected.frames.begin()),
            "other codes than alone");
    if (turn.reason != FinishReason::kStop && turn.reason != FinishReason::kMaxFrames) return;
    Require(turn.reason == expected.reason && turn.frames.size() == expected.frames.size(),
            "another end than alone");
  }

  Turn& Of(const Sequence& sequence) {
    Turn& turn = turns_.at(sequence.stream().low);
    Require(sequence.turn() == turn.request.turn, "a turn that is over");
    return turn;
  }

  Bytes* const bytes_;
  const HashingModel::Options sizes_;
  HashingModel model_;
  std::unique_ptr<ModelExecutor> executor_;
  Engine::Clock::time_point now_{};
  std::map<uint64_t, Turn> turns_;  // by stream, the last one accepted
  uint32_t submitted_ = 0;
  bool taking_ = true;
  std::unique_ptr<Engine> engine_;
};

}  // namespace
}  // namespace shoal::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  shoal::engine::Bytes bytes(data, size);
  shoal::engine::World(&bytes).Live();
  return 0;
}
