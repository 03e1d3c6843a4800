// Speed of a channel on this machine: `name value unit` a line, over loopback tcp and over ipc.
// Both ends live in this process, so their threads share its cores.
//
//   transport_bench [MESSAGES]
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/transport/channel.h"
#include "spdlog/spdlog.h"

namespace shoal::transport {
namespace {

namespace v1 = pipeline::v1;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kCodebooks = 10;
constexpr uint32_t kFrameLength = 2048;

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

void Print(const std::string& name, double value, const char* unit) {
  std::printf("%s %.6g %s\n", name.c_str(), value, unit);
}

Message FrameMessage(uint32_t number) {
  Message message;
  v1::Frame* frame = message.envelope.mutable_frame();
  frame->mutable_stream()->set_high(1);
  frame->mutable_stream()->set_low(2);
  frame->set_frame(number);
  const std::vector<int32_t> codes(kCodebooks, 7);
  AttachInt32(message, frame->mutable_codes(), codes, {1, kCodebooks});
  return message;
}

Message AudioMessage(uint32_t number) {
  Message message;
  v1::Audio* audio = message.envelope.mutable_audio();
  audio->mutable_stream()->set_low(2);
  audio->set_frame(number);
  AttachFloat32(message, audio->mutable_pcm(), std::vector<float>(kFrameLength, 0.5f),
                {kFrameLength});
  AttachInt32(message, audio->mutable_codes(), std::vector<int32_t>(kCodebooks, 7),
              {1, kCodebooks});
  return message;
}

// Where the second end listens: any port, or another socket.
std::string Other(const std::string& bind) {
  return bind.back() == '*' ? bind : absl::StrCat(bind, ".other");
}

// One end: counts what comes in, or sends it back.
class End {
 public:
  End(const std::string& bind, const std::vector<std::string>& dial, bool echo) {
    Channel::Options options;
    options.bind = bind;
    options.dial = dial;
    options.self.set_stage(v1::ENGINE);
    options.silence = absl::Seconds(60);
    Channel::Handlers handlers;
    handlers.up = [this](const Peer& peer) {
      std::lock_guard<std::mutex> lock(mutex_);
      peer_ = peer.incarnation;
      changed_.notify_all();
    };
    handlers.message = [this, echo](uint64_t from, Message message) {
      if (echo) {
        channel_->Send(from, std::move(message)).IgnoreError();
        return;
      }
      std::lock_guard<std::mutex> lock(mutex_);
      ++received_;
      changed_.notify_all();
    };
    auto channel = Channel::Start(std::move(options), std::move(handlers));
    if (!channel.ok()) {
      std::fprintf(stderr, "transport_bench: %s\n", channel.status().ToString().c_str());
      std::exit(1);
    }
    channel_ = *std::move(channel);
  }

  uint64_t WaitPeer() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return peer_ != 0; });
    return peer_;
  }
  void WaitReceived(uint64_t n) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return received_ >= n; });
  }
  Channel& channel() { return *channel_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t peer_ = 0;
  uint64_t received_ = 0;
  std::unique_ptr<Channel> channel_;
};

void MeasureThroughput(const std::string& name, const std::string& bind, uint32_t messages,
                       Message (*make)(uint32_t)) {
  End receiver(bind, {}, /*echo=*/false);
  End sender(Other(bind), {receiver.channel().inbox()}, /*echo=*/false);
  const uint64_t peer = sender.WaitPeer();
  const Clock::time_point start = Clock::now();
  for (uint32_t i = 0; i < messages; ++i) {
    while (!sender.channel().Send(peer, make(i)).ok()) std::this_thread::yield();
  }
  receiver.WaitReceived(messages);
  Print(name, messages / Seconds(Clock::now() - start), "messages/s");
}

void MeasureLatency(const std::string& name, const std::string& bind, uint32_t rounds,
                    Message (*make)(uint32_t)) {
  End echo(bind, {}, /*echo=*/true);
  End sender(Other(bind), {echo.channel().inbox()}, /*echo=*/false);
  const uint64_t peer = sender.WaitPeer();
  std::vector<double> times;
  for (uint32_t i = 0; i < rounds; ++i) {
    const Clock::time_point start = Clock::now();
    if (!sender.channel().Send(peer, make(i)).ok()) std::exit(1);
    sender.WaitReceived(i + 1);
    times.push_back(Seconds(Clock::now() - start) / 2);
  }
  std::sort(times.begin(), times.end());
  Print(name + "_p50", 1e6 * times[times.size() / 2], "us");
  Print(name + "_p99", 1e6 * times[times.size() * 99 / 100], "us");
}

void Run(uint32_t messages) {
  char folder[] = "/tmp/shoal-transport-bench-XXXXXX";
  if (mkdtemp(folder) == nullptr) std::exit(1);
  for (const bool ipc : {false, true}) {
    const std::string kind = ipc ? "ipc" : "tcp";
    const std::string bind = ipc ? absl::StrCat("ipc://", folder, "/inbox") : "tcp://127.0.0.1:*";
    MeasureThroughput(kind + "_frame_throughput", bind, messages, FrameMessage);
    MeasureThroughput(kind + "_audio_throughput", bind, messages / 10, AudioMessage);
    MeasureLatency(kind + "_frame_one_way", bind, messages / 20, FrameMessage);
    MeasureLatency(kind + "_audio_one_way", bind, messages / 20, AudioMessage);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shoal::transport

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::off);
  shoal::transport::Run(argc > 1 ? static_cast<uint32_t>(std::atoi(argv[1])) : 200'000);
  return 0;
}
