#include "common/stage/stage_loop.h"

#include <utility>

namespace shoal::stage {

StageLoop::StageLoop(Options options, Stage* stage)
    : options_(std::move(options)), stage_(stage), inbox_(options_.inbox) {}

StageLoop::~StageLoop() {
  inbox_.Close();
  if (model_thread_.joinable()) model_thread_.join();
}

absl::Status StageLoop::Start() {
  transport::Channel::Options channel = options_.channel;
  channel.heartbeat = [this] { return Heartbeat(); };
  transport::Channel::Handlers handlers;
  handlers.down = [this](uint64_t incarnation, absl::string_view why) {
    inbox_.PutPeerDown(incarnation, why);
  };
  handlers.message = [this](uint64_t from, transport::Message message) {
    inbox_.PutMessage(from, std::move(message));
  };
  handlers.malformed = [this](uint64_t from, const pipeline::v1::Envelope& envelope,
                              const absl::Status& why) {
    inbox_.PutMalformed(from, envelope, why);
  };
  auto started = transport::Channel::Start(std::move(channel), std::move(handlers));
  if (!started.ok()) return started.status();
  channel_ = *std::move(started);
  stage_->Connect(channel_.get());
  model_thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void StageLoop::Drain() {
  draining_ = true;
  inbox_.PutDrain();
}

bool StageLoop::AwaitIdle(absl::Duration limit) {
  std::unique_lock<std::mutex> lock(drained_mutex_);
  return drained_changed_.wait_for(lock, absl::ToChronoNanoseconds(limit),
                                   [this] { return drained_; });
}

pipeline::v1::Heartbeat StageLoop::Heartbeat() const {
  pipeline::v1::Heartbeat heartbeat;
  heartbeat.set_step(step_);
  heartbeat.set_busy(busy_);
  heartbeat.set_step_bound_seconds(absl::ToDoubleSeconds(options_.step_bound));
  heartbeat.set_running(running_);
  heartbeat.set_waiting(waiting_);
  heartbeat.set_draining(draining_);
  return heartbeat;
}

void StageLoop::Run() {
  absl::Duration wait = absl::InfiniteDuration();
  while (!inbox_.closed()) {
    Receive(wait);
    wait = stage_->Step();
    ++step_;
    PublishLoad();
  }
  stage_->FailAll();
  PublishLoad();
}

void StageLoop::Receive(absl::Duration wait) {
  inbox_.HandleAll(wait, [this](const Arrival& arrival) { Handle(arrival); });
  PublishLoad();
}

void StageLoop::Handle(const Arrival& arrival) {
  switch (arrival.kind) {
    case Arrival::Kind::kMessage:
      return stage_->HandleMessage(arrival.from, arrival.message);
    case Arrival::Kind::kRefused:
      return stage_->Refuse(arrival.from, arrival.message.envelope.submit(), arrival.refusal);
    case Arrival::Kind::kPeerDown:
      return stage_->HandlePeerDown(arrival.from, arrival.why);
    case Arrival::Kind::kDrain:
      drain_seen_ = true;
  }
}

void StageLoop::PublishLoad() {
  const Stage::Load load = stage_->PublishLoad();
  running_ = load.running;
  waiting_ = load.waiting;
  busy_ = load.busy;
  if (!drain_seen_ || !load.idle) return;
  std::lock_guard<std::mutex> lock(drained_mutex_);
  drained_ = true;
  drained_changed_.notify_all();
}

}  // namespace shoal::stage
