// A process on the pipeline network, for tests: a Channel that writes down what its handlers hear.
#ifndef SHOAL_TESTS_COMMON_TRANSPORT_TEST_PROCESS_H_
#define SHOAL_TESTS_COMMON_TRANSPORT_TEST_PROCESS_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/transport/channel.h"

namespace shoal::transport {

struct Heard {
  std::vector<Peer> ups;
  std::vector<std::pair<uint64_t, std::string>> downs;
  std::vector<std::pair<uint64_t, Message>> messages;

  bool IsUp(uint64_t peer) const;  // more ups than downs
  bool IsDown(uint64_t peer) const;
};

class TestProcess {
 public:
  // Binds a free port of loopback unless options.bind is set. `on_message` replaces the writing
  // down.
  explicit TestProcess(Channel::Options options = {},
                       std::function<void(uint64_t, Message)> on_message = nullptr);
  ~TestProcess();

  Channel& channel() { return *channel_; }
  uint64_t incarnation() const { return channel_->incarnation(); }
  void Stop() { channel_.reset(); }

  // Waits until what was heard satisfies `predicate`; false after a minute.
  bool Wait(const std::function<bool(const Heard&)>& predicate);
  bool WaitUp(uint64_t peer);
  bool WaitDown(uint64_t peer);
  // Waits until the channel's counters satisfy `predicate`; something must go on that wakes it.
  bool WaitCounters(const std::function<bool(const ChannelCounters&)>& predicate);
  Heard heard();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Heard heard_;
  std::unique_ptr<Channel> channel_;
};

// Options whose time limits no slow machine reaches.
Channel::Options PatientOptions();

}  // namespace shoal::transport

#endif  // SHOAL_TESTS_COMMON_TRANSPORT_TEST_PROCESS_H_
