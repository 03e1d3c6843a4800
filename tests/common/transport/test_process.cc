#include "tests/common/transport/test_process.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace shoal::transport {
namespace {

constexpr std::chrono::seconds kDeadline(60);

int Count(const Heard& heard, uint64_t peer) {
  const auto up = std::count_if(heard.ups.begin(), heard.ups.end(),
                                [&](const Peer& p) { return p.incarnation == peer; });
  const auto down = std::count_if(heard.downs.begin(), heard.downs.end(),
                                  [&](const auto& d) { return d.first == peer; });
  return static_cast<int>(up) - static_cast<int>(down);
}

}  // namespace

bool Heard::IsUp(uint64_t peer) const { return Count(*this, peer) > 0; }

bool Heard::IsDown(uint64_t peer) const {
  return Count(*this, peer) <= 0 &&
         std::any_of(downs.begin(), downs.end(), [&](const auto& d) { return d.first == peer; });
}

Channel::Options PatientOptions() {
  Channel::Options options;
  options.silence = absl::Seconds(60);
  options.stall = absl::Seconds(60);
  options.dial_limit = absl::Seconds(60);
  return options;
}

TestProcess::TestProcess(Channel::Options options,
                         std::function<void(uint64_t, Message)> on_message) {
  if (options.bind.empty()) options.bind = "tcp://127.0.0.1:*";
  if (options.self.stage() == pipeline::v1::STAGE_UNSPECIFIED) {
    options.self.set_stage(pipeline::v1::ENGINE);
  }
  Channel::Handlers handlers;
  handlers.up = [this](const Peer& peer) {
    std::lock_guard<std::mutex> lock(mutex_);
    heard_.ups.push_back(peer);
    changed_.notify_all();
  };
  handlers.down = [this](uint64_t incarnation, absl::string_view why) {
    std::lock_guard<std::mutex> lock(mutex_);
    heard_.downs.emplace_back(incarnation, std::string(why));
    changed_.notify_all();
  };
  handlers.message = on_message;
  if (!on_message) {
    handlers.message = [this](uint64_t from, Message message) {
      std::lock_guard<std::mutex> lock(mutex_);
      heard_.messages.emplace_back(from, std::move(message));
      changed_.notify_all();
    };
  }
  auto channel = Channel::Start(std::move(options), std::move(handlers));
  if (!channel.ok()) throw std::runtime_error(channel.status().ToString());
  channel_ = *std::move(channel);
}

TestProcess::~TestProcess() { Stop(); }

bool TestProcess::Wait(const std::function<bool(const Heard&)>& predicate) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kDeadline, [&] { return predicate(heard_); });
}

bool TestProcess::WaitUp(uint64_t peer) {
  return Wait([=](const Heard& heard) { return heard.IsUp(peer); });
}

bool TestProcess::WaitDown(uint64_t peer) {
  return Wait([=](const Heard& heard) { return heard.IsDown(peer); });
}

bool TestProcess::WaitCounters(const std::function<bool(const ChannelCounters&)>& predicate) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (!predicate(channel_->counters())) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(10));  // counters announce nothing
  }
  return true;
}

Heard TestProcess::heard() {
  std::lock_guard<std::mutex> lock(mutex_);
  return heard_;
}

}  // namespace shoal::transport
