// Simulation: one server and its clients, from the first arrival until every measured client has
// heard its last frame. The server's Engine and Scheduler are the real ones; the GPU, the clock,
// the front, the vocoder and the clients' players are simulated. A function of its options: the
// same options give the same result, to the last bit.
//
// What is simulated of the rest: a message between stages takes hop_seconds; the vocoder decodes a
// chunk as soon as its frames are drawn, on the same GPU; the front submits a turn when it has all
// audio of the one before, and tells the engine each client's buffer now and then, late.
#ifndef SHOAL_LOADTEST_SIMULATION_SIMULATION_H_
#define SHOAL_LOADTEST_SIMULATION_SIMULATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "loadtest/simulation/simulated_gpu.h"
#include "loadtest/simulation/step_cost.h"
#include "loadtest/simulation/workload.h"
#include "services/ar_engine/policy/scheduler.h"

namespace shoal::simulation {

// How a server decides what runs, and when audio leaves it.
struct Policy {
  std::string name;
  engine::Scheduler::Options scheduler = {};
  // Audio leaves in chunks of so many frames (a turn's last may be shorter).
  int chunk_frames = 1;
};

struct RunOptions {
  Policy policy;
  WorkloadOptions workload;  // its `seconds` is set from the three below
  double warm_up = 60;       // clients that come before are there, but not measured
  double measured = 30;      // clients that come in this time are measured
  double tail = 20;          // others still come so long, so that the load stays
  ModelSizes model;
  GpuSpeed gpu;
  SimulatedGpu::Options device;
  double hop_seconds = 0.0005;  // a message between stages
  double news_period = 0.5;     // how often a front reports a client's buffer
  double news_delay = 0.005;    // how late the engine hears it
};

struct ClientResult {
  bool refused = false;
  double first_audio = 0;  // seconds from asking
  double audio = 0;        // seconds heard
  double underrun = 0;     // seconds of silence between first and last audio
  double longest_gap = 0;
  int gaps = 0;
};

struct RunResult {
  std::vector<ClientResult> clients;  // the measured ones, in order of arrival
  double seconds = 0;                 // simulated
  double gpu_busy = 0;                // share of them
  double mean_rows = 0;               // of a step
  int64_t steps = 0;
  int64_t prompt_positions = 0;  // that were computed, not found in the prefix cache
};

RunResult Simulate(const RunOptions& options);
// The same with these clients instead of those that options.workload describes.
RunResult Simulate(const RunOptions& options, Workload workload);

// What a run comes to; times in seconds.
struct Summary {
  int clients = 0, refused = 0;
  double first_audio_p50 = 0, first_audio_p95 = 0, first_audio_p99 = 0;
  double underrun = 0;        // mean of a client
  double underrun_share = 0;  // of the time that audio was due
  double underrun_p95 = 0;    // of clients
  double with_gap = 0;        // share of clients that heard any gap
  double longest_gap = 0;
};

// A refused client counts as one that hears nothing: it is in `refused` and nowhere else.
Summary Summarize(const std::vector<ClientResult>& clients);

// The smallest of `values` that a share `p` of them does not exceed; 0 when there is none.
double Percentile(std::vector<double> values, double p);

}  // namespace shoal::simulation

#endif  // SHOAL_LOADTEST_SIMULATION_SIMULATION_H_
