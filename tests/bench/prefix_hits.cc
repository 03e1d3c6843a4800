#include "tests/bench/prefix_hits.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/policy/model_executor.h"
#include "tests/bench/figures.h"
#include "tests/bench/voice_workload.h"

namespace shoal::bench {
namespace {

using engine::DrawnFrame;
using engine::Engine;
using engine::FinishReason;
using engine::Sequence;
using engine::SequenceChunk;

constexpr int kRequests = 2000;
constexpr int kClients = 16;

// Draws numbers that depend on the turn and the frame alone, and never an end.
class NoiseModel final : public engine::StepModel {
 public:
  explicit NoiseModel(int num_blocks) : num_blocks_(num_blocks) {}

  absl::StatusOr<std::vector<DrawnFrame>> Step(absl::Span<const SequenceChunk> chunks) override {
    std::vector<DrawnFrame> drawn(chunks.size());
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (chunks[i].sampling == nullptr) continue;
      drawn[i].drawn = true;
      uint64_t noise = chunks[i].sampling->seed * 0x9e3779b97f4a7c15u + chunks[i].frame;
      for (int k = 0; k < num_codebooks(); ++k) {
        noise = (noise ^ (noise >> 29)) * 0xbf58476d1ce4e5b9u;
        drawn[i].codes.push_back(
            static_cast<int32_t>((noise >> 33) % VoiceWorkload::kSemanticCodes));
      }
    }
    return drawn;
  }
  int num_blocks() const override { return num_blocks_; }
  int num_codebooks() const override { return VoiceWorkload::kCodebooks; }
  int max_seq_len() const override { return VoiceWorkload::kMaxPositions; }

 private:
  const int num_blocks_;
};

// Keeps what a client needs for its next turn, and counts hits.
class HitSink final : public engine::EngineSink {
 public:
  void OnStarted(const Sequence& sequence) override {
    prompt_positions += sequence.prompt_length();
    cached_positions += sequence.cached_positions();
  }
  absl::Status OnFrame(const Sequence&, uint32_t, absl::Span<const int32_t>) override {
    return absl::OkStatus();
  }
  void OnFinished(const Sequence& sequence, FinishReason) override {
    finished[sequence.stream().low] = sequence.request();
  }
  void OnFailed(const Sequence&, const absl::Status& why) override { Fail(why); }

  int64_t prompt_positions = 0, cached_positions = 0;
  std::map<uint64_t, engine::Request> finished;  // that nobody has taken yet
};

struct Hits {
  // Shares of the prompts' positions: those taken from the cache, and all that anybody could know.
  double cached = 0, most = 0;
  double preemptions = 0;
};

// Clients that each wait for their turn to end, and then for a while.
Hits Serve(const VoiceWorkload::Speech& speech, int num_blocks) {
  NoiseModel model(num_blocks);
  engine::ModelExecutor executor(&model, {.semantic_start = VoiceWorkload::kSemanticStart});
  HitSink sink;
  Sequence::TimePoint now;  // a step takes 10 ms
  Engine engine({.scheduler = {.max_running = kClients, .max_waiting = kClients},
                 .semantic_start = VoiceWorkload::kSemanticStart,
                 .clock = [&] { return now; }},
                &executor, &sink);
  VoiceWorkload workload(speech, 1);
  std::mt19937_64 random(2);
  struct Place {
    VoiceWorkload::Client client;
    uint64_t stream = 0;
    int pause = 0;  // steps
  };
  std::vector<Place> places(kClients);
  int requests = 0;
  while (requests < kRequests || !engine.idle()) {
    for (Place& place : places) {
      if (auto it = sink.finished.find(place.stream); it != sink.finished.end()) {
        place.client.last = std::move(it->second);
        sink.finished.erase(it);
        place.stream = 0;
        place.pause = static_cast<int>(random() % 200);
      }
      if (place.stream != 0 || place.pause-- > 0 || requests == kRequests) continue;
      engine::Request request = workload.Next(place.client);
      place.stream = request.stream.low;
      if (const absl::Status accepted = engine.Submit(std::move(request)); !accepted.ok()) {
        Fail(accepted);
      }
      ++requests;
    }
    engine.Step();
    now += std::chrono::milliseconds(10);
  }
  const auto all = static_cast<double>(workload.prompt_positions());
  return {static_cast<double>(sink.cached_positions) / all,
          static_cast<double>(workload.known_positions()) / all,
          static_cast<double>(engine.preemptions())};
}

}  // namespace

void BenchPrefixHits() {
  for (const bool bytes : {true, false}) {
    const std::string workload = bytes ? "prefix/bytes_at_25_hz" : "prefix/word_pieces_at_21.5_hz";
    for (const int num_blocks : {1500, 2000, 3000, 4000, 6000, 8000, 200000}) {
      const Hits hits =
          Serve(bytes ? VoiceWorkload::kBytes : VoiceWorkload::kWordPieces, num_blocks);
      const std::string name = absl::StrCat(workload, "/blocks", num_blocks);
      Print(name + "/cached", 100 * hits.cached, "percent_of_prompt_positions");
      Print(name + "/cached_of_possible", 100 * hits.cached / hits.most, "percent");
      Print(name + "/preemptions", hits.preemptions, "times");
      if (num_blocks != 200000) continue;
      Print(workload + "/possible", 100 * hits.most, "percent_of_prompt_positions");
    }
  }
}

}  // namespace shoal::bench
