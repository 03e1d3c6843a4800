#include "loadtest/simulation/simulation.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "loadtest/simulation/player.h"
#include "services/ar_engine/policy/engine.h"

namespace shoal::simulation {
namespace {

using TimePoint = SimulatedClock::TimePoint;

struct Event {
  enum class Kind { kSubmit, kAudio, kReport, kNews };

  TimePoint time = {};
  int64_t number = 0;  // events of one time come in the order in which they were made
  Kind kind = Kind::kSubmit;
  int client = 0;
  int frames = 0;                  // kAudio
  bool last = false;               // kAudio: of the turn
  engine::ListenerNews news = {};  // kNews

  bool operator>(const Event& other) const {
    return std::tie(time, number) > std::tie(other.time, other.number);
  }
};

// A client as its front knows it.
struct Listener {
  Player player;
  uint32_t turn = 0;
  uint32_t heard = 0;    // frames of the turn
  int drawn = 0;         // frames that wait for a whole chunk
  bool ended = false;    // the turn has no more frames
  bool touched = false;  // by the step
  bool measured = false, refused = false, done = false;
};

class Run final : public engine::EngineSink {
 public:
  Run(const RunOptions& options, Workload workload)
      : options_(options),
        frame_seconds_(options.model.frame_seconds()),
        workload_(std::move(workload)),
        gpu_(options.device, StepCost(options.model, options.gpu), &clock_),
        engine_({.scheduler = options.policy.scheduler,
                 .semantic_start = kSemanticStart,
                 .clock = [this] { return clock_.now(); }},
                &gpu_, this),
        listeners_(workload_.clients.size()) {}

  RunResult Result() {
    Arrivals();
    while (unfinished_ > 0) {
      DeliverDue();
      const auto report = engine_.Step();
      EmitAudio();
      // Nothing to run: until something happens.
      if (!report.worked()) {
        if (events_.empty()) break;
        clock_.AdvanceTo(events_.top().time);
      }
    }
    return Collected();
  }

  void OnStarted(const engine::Sequence&) override {}
  absl::Status OnFrame(const engine::Sequence& sequence, uint32_t,
                       absl::Span<const int32_t>) override {
    ++Touched(sequence).drawn;
    return absl::OkStatus();
  }
  void OnFinished(const engine::Sequence& sequence, engine::FinishReason) override {
    Touched(sequence).ended = true;
  }
  void OnFailed(const engine::Sequence& sequence, const absl::Status&) override {
    Refuse(static_cast<int>(sequence.stream().low));
  }

 private:
  void Arrivals() {
    for (size_t i = 0; i < workload_.clients.size(); ++i) {
      const double arrival = workload_.clients[i].arrival;
      listeners_[i].measured =
          arrival >= options_.warm_up && arrival < options_.warm_up + options_.measured;
      unfinished_ += listeners_[i].measured ? 1 : 0;
      At(arrival + options_.hop_seconds, {.client = static_cast<int>(i)});
    }
  }

  void At(double seconds, Event event) {
    event.time = SimulatedClock::At(seconds);
    event.number = events_made_++;
    events_.push(event);
  }

  void DeliverDue() {
    while (!events_.empty() && events_.top().time <= clock_.now()) {
      const Event event = events_.top();
      events_.pop();
      switch (event.kind) {
        case Event::Kind::kSubmit:
          Submit(event.client);
          break;
        case Event::Kind::kAudio:
          Hear(event);
          break;
        case Event::Kind::kReport:
          Report(event);
          break;
        case Event::Kind::kNews:
          engine_.Update(KeyOf(event.client), event.news);
          break;
      }
    }
  }

  void Submit(int client) {
    Listener& listener = listeners_[client];
    engine::Request request =
        MakeRequest(options_.workload, workload_, client, static_cast<int>(listener.turn));
    request.buffered_seconds =
        listener.player.AssumedBuffer(clock_.seconds() - options_.hop_seconds);
    if (!engine_.Submit(std::move(request)).ok()) Refuse(client);
  }

  // Audio reaches the front, which passes it to the client.
  void Hear(const Event& event) {
    Listener& listener = listeners_[event.client];
    const double now = std::chrono::duration<double>(event.time.time_since_epoch()).count();
    const bool first = !listener.player.started();
    if (event.frames > 0) listener.player.Receive(now, event.frames * frame_seconds_);
    listener.heard += static_cast<uint32_t>(event.frames);
    if (event.last) {
      NextTurn(event.client, now);
    } else if (first) {
      At(now, {.kind = Event::Kind::kReport, .client = event.client});
    }
  }

  void NextTurn(int client, double now) {
    Listener& listener = listeners_[client];
    if (++listener.turn == workload_.clients[client].turns.size()) return Finish(client);
    listener.heard = 0;
    listener.drawn = 0;
    listener.ended = false;
    At(now + options_.hop_seconds, {.client = client});
  }

  // The front tells the engine what the client has, and will again.
  void Report(const Event& event) {
    const Listener& listener = listeners_[event.client];
    if (listener.done) return;
    const double now = std::chrono::duration<double>(event.time.time_since_epoch()).count();
    Event news{.kind = Event::Kind::kNews, .client = event.client};
    news.news.turn = listener.turn;
    news.news.buffered_seconds = listener.player.AssumedBuffer(now);
    news.news.next_frame = listener.heard;
    At(now + options_.news_delay, news);
    At(now + options_.news_period, {.kind = Event::Kind::kReport, .client = event.client});
  }

  // What the step has drawn goes through the vocoder, as far as it makes whole chunks.
  void EmitAudio() {
    const int chunk = options_.policy.chunk_frames;
    int64_t frames = 0;
    for (const int client : touched_) {
      const Listener& listener = listeners_[client];
      frames += listener.ended ? listener.drawn : listener.drawn / chunk * chunk;
    }
    const double decoded = frames > 0 ? gpu_.Decode(frames) : clock_.seconds();
    for (const int client : touched_) {
      Listener& listener = listeners_[client];
      const int leaving = listener.ended ? listener.drawn : listener.drawn / chunk * chunk;
      listener.drawn -= leaving;
      listener.touched = false;
      if (leaving == 0 && !listener.ended) continue;
      At(decoded + options_.hop_seconds, {.kind = Event::Kind::kAudio,
                                          .client = client,
                                          .frames = leaving,
                                          .last = listener.ended});
    }
    touched_.clear();
  }

  void Refuse(int client) {
    listeners_[client].refused = true;
    Finish(client);
  }

  void Finish(int client) {
    Listener& listener = listeners_[client];
    if (listener.done) return;
    listener.done = true;
    unfinished_ -= listener.measured ? 1 : 0;
  }

  RunResult Collected() const {
    RunResult result;
    for (size_t i = 0; i < listeners_.size(); ++i) {
      const Listener& listener = listeners_[i];
      if (!listener.measured) continue;
      const Player& player = listener.player;
      ClientResult client{.refused = listener.refused || !listener.done};
      client.audio = player.received();
      client.underrun = player.underrun();
      client.longest_gap = player.longest_gap();
      client.gaps = player.gaps();
      if (player.started())
        client.first_audio = player.first_audio() - workload_.clients[i].arrival;
      result.clients.push_back(client);
    }
    result.seconds = clock_.seconds();
    result.steps = gpu_.steps();
    result.prompt_positions = gpu_.prompt_positions();
    if (result.seconds > 0) result.gpu_busy = gpu_.busy_seconds() / result.seconds;
    if (gpu_.steps() > 0) {
      result.mean_rows = static_cast<double>(gpu_.rows()) / static_cast<double>(gpu_.steps());
    }
    return result;
  }

  Listener& Touched(const engine::Sequence& sequence) {
    const int client = static_cast<int>(sequence.stream().low);
    Listener& listener = listeners_[client];
    if (!listener.touched) touched_.push_back(client);
    listener.touched = true;
    return listener;
  }

  static engine::StreamKey KeyOf(int client) {
    return {.front = 1, .high = 0, .low = static_cast<uint64_t>(client)};
  }

  const RunOptions options_;
  const double frame_seconds_;
  const Workload workload_;
  SimulatedClock clock_;
  SimulatedGpu gpu_;
  engine::Engine engine_;
  std::vector<Listener> listeners_;
  std::vector<int> touched_;  // clients whose sequences the step said something of
  std::priority_queue<Event, std::vector<Event>, std::greater<Event>> events_;
  int64_t events_made_ = 0;
  int unfinished_ = 0;  // measured clients
};

}  // namespace

RunResult Simulate(const RunOptions& options) {
  RunOptions whole = options;
  whole.workload.seconds = options.warm_up + options.measured + options.tail;
  whole.workload.frame_seconds = options.model.frame_seconds();
  return Simulate(whole, MakeWorkload(whole.workload));
}

RunResult Simulate(const RunOptions& options, Workload workload) {
  return Run(options, std::move(workload)).Result();
}

double Percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  const double rank = std::ceil(p * static_cast<double>(values.size()));
  const size_t index = static_cast<size_t>(std::max(rank, 1.0)) - 1;
  std::nth_element(values.begin(), values.begin() + index, values.end());
  return values[index];
}

Summary Summarize(const std::vector<ClientResult>& clients) {
  Summary summary;
  std::vector<double> first_audio, underrun;
  double audio = 0, silence = 0;
  int with_gap = 0;
  for (const ClientResult& client : clients) {
    if (client.refused) {
      ++summary.refused;
      continue;
    }
    first_audio.push_back(client.first_audio);
    underrun.push_back(client.underrun);
    audio += client.audio;
    silence += client.underrun;
    with_gap += client.gaps > 0 ? 1 : 0;
    summary.longest_gap = std::max(summary.longest_gap, client.longest_gap);
  }
  summary.clients = static_cast<int>(first_audio.size());
  if (summary.clients == 0) return summary;
  summary.first_audio_p50 = Percentile(first_audio, 0.50);
  summary.first_audio_p95 = Percentile(first_audio, 0.95);
  summary.first_audio_p99 = Percentile(first_audio, 0.99);
  summary.underrun = silence / summary.clients;
  summary.underrun_share = silence / (silence + audio);
  summary.underrun_p95 = Percentile(underrun, 0.95);
  summary.with_gap = static_cast<double>(with_gap) / summary.clients;
  return summary;
}

}  // namespace shoal::simulation
