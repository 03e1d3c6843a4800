// PipelinePeer: a stage of the pipeline played by a test: it collects what arrives, and the test
// waits for what it expects. Used by the tests of engine and vocoder.
//
// The test's thread calls; messages come in on the Channel's.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_SERVICE_PIPELINE_PEER_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_SERVICE_PIPELINE_PEER_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/transport/channel.h"

namespace shoal::testing {

class PipelinePeer {
 public:
  using Messages = std::vector<transport::Message>;

  PipelinePeer(pipeline::v1::Stage stage, std::vector<std::string> dial) {
    transport::Channel::Options options;
    options.bind = "tcp://127.0.0.1:*";
    options.self.set_stage(stage);
    options.dial = std::move(dial);
    // A busy machine must not look like a dead peer; whoever leaves closes the connection.
    options.silence = absl::Seconds(20);
    transport::Channel::Handlers handlers;
    handlers.up = [this](const transport::Peer& peer) {
      Note([&] { up_.insert(peer.incarnation); });
    };
    handlers.down = [this](uint64_t incarnation, absl::string_view) {
      Note([&] { up_.erase(incarnation); });
    };
    handlers.message = [this](uint64_t, transport::Message message) {
      Note([&] { received_.push_back(std::move(message)); });
    };
    auto started = transport::Channel::Start(std::move(options), std::move(handlers));
    if (!started.ok()) throw std::runtime_error(started.status().ToString());
    channel_ = *std::move(started);
  }

  transport::Channel& channel() { return *channel_; }

  void AwaitUp(uint64_t incarnation) {
    Await("a peer to come up", [&] { return up_.count(incarnation) > 0; });
  }
  bool IsUp(uint64_t incarnation) {
    std::lock_guard<std::mutex> lock(mutex_);
    return up_.count(incarnation) > 0;
  }

  // Waits until `enough` says so of all that was received, and returns that.
  Messages AwaitMessages(const std::string& what,
                         const std::function<bool(const Messages&)>& enough) {
    Await(what, [&] { return enough(received_); });
    std::lock_guard<std::mutex> lock(mutex_);
    return received_;
  }
  Messages received() {
    std::lock_guard<std::mutex> lock(mutex_);
    return received_;
  }

 private:
  template <typename Change>
  void Note(Change change) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

  void Await(const std::string& what, const std::function<bool()>& condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(30), condition)) {
      throw std::runtime_error("waited in vain for " + what);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Messages received_;
  std::set<uint64_t> up_;
  std::unique_ptr<transport::Channel> channel_;  // last: its thread uses all of the above
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_SERVICE_PIPELINE_PEER_H_
