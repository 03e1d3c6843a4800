// The whole pipeline as a client meets it: three processes on loopback, a small random checkpoint
// (or the folder given as the first argument). Prints `name value unit` lines.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Run {
  double first_audio, total, audio_seconds;
};

Run SpeakOnce(const std::string& address, uint64_t seed) {
  const auto stub = Connect(address);
  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->set_seed(seed);
  config.mutable_sampling()->set_max_frames(100);
  const auto start = Clock::now();
  SpeechCall call(*stub);
  call.Configure(config);
  call.Text("The time to first audio is what a listener feels.");
  call.EndOfText();
  Run run = {};
  double rate = 1;
  size_t samples = 0;
  while (const auto response = call.Next()) {
    if (response->has_started()) rate = response->started().sample_rate_hz();
    if (!response->has_audio()) continue;
    if (samples == 0) run.first_audio = Seconds(Clock::now() - start);
    samples += response->audio().data().size() / 2;
  }
  run.total = Seconds(Clock::now() - start);
  run.audio_seconds = samples / rate;
  const grpc::Status status = call.Finish();
  if (!status.ok()) throw std::runtime_error(status.error_message());
  return run;
}

void Measure(const std::string& address, int clients, int rounds) {
  std::vector<Run> runs(static_cast<size_t>(clients) * rounds);
  const auto start = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (int c = 0; c < clients; ++c) {
      threads.emplace_back([&, c] {
        for (int r = 0; r < rounds; ++r) {
          runs[c * rounds + r] = SpeakOnce(address, 1000 + c * rounds + r);
        }
      });
    }
  }
  const double wall = Seconds(Clock::now() - start);
  std::vector<double> first, rtf;
  double audio = 0;
  for (const Run& run : runs) {
    first.push_back(run.first_audio * 1e3);
    rtf.push_back(run.total / run.audio_seconds);
    audio += run.audio_seconds;
  }
  std::printf("pipeline_time_to_first_audio_%d_clients %.2f ms\n", clients, Median(first));
  std::printf("pipeline_rtf_%d_clients %.4f ratio\n", clients, Median(rtf));
  std::printf("pipeline_audio_seconds_per_second_%d_clients %.2f s/s\n", clients, audio / wall);
}

}  // namespace
}  // namespace shoal::testing

int main(int argc, char** argv) {
  using shoal::testing::Deployment;
  Deployment deployment(
      {.checkpoint = argc > 1 ? argv[1] : shoal::testing::MadeCheckpoint({"--seed=1"}),
       .flags = {}});
  deployment.StartAll();
  shoal::testing::SpeakOnce(deployment.front_address(), 1);  // warm up
  for (const int clients : {1, 8}) shoal::testing::Measure(deployment.front_address(), clients, 5);
}
