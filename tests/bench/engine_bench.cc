// Speed of the engine on the CPU: lines `name value unit`.
//
//   engine_bench [CHECKPOINT [PART...]]
//
// Parts, all of them by default: product, checkpoint (the one given, else the golden one),
// default_voice and mid_size (random ones of these sizes), modes, features, prefix. Each feature is
// measured beside the same work without it. Figures are medians of several runs; those that end in
// /cpu, and all ratios, are of processor time. One computing thread.
#include <ATen/Parallel.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/checkpoint/checkpoint.h"
#include "tests/bench/engine_features.h"
#include "tests/bench/figures.h"
#include "tests/bench/model_steps.h"
#include "tests/bench/prefix_hits.h"
#include "tests/bench/voice_sizes.h"
#include "tests/support/golden.h"

namespace shoal::bench {
namespace {

void Run(const std::string& directory, const std::vector<std::string>& parts) {
  const auto wanted = [&](const char* name) {
    return parts.empty() || std::find(parts.begin(), parts.end(), name) != parts.end();
  };
  at::set_num_threads(1);
  if (wanted("product")) BenchProducts();
  if (wanted("checkpoint")) {
    const auto opened = checkpoint::Checkpoint::Open(directory, {.transformer = true});
    if (!opened.ok()) Fail(opened.status());
    BenchModel("checkpoint", *opened);
  }
  {
    const engine::RandomCheckpoint random(DefaultVoice());
    if (wanted("default_voice")) BenchModel("default_voice", random.Open());
    if (wanted("modes")) BenchModes("default_voice", random.Open());
    if (wanted("features")) BenchFeatures("default_voice", random.Open());
  }
  if (wanted("mid_size")) {
    const engine::RandomCheckpoint random(MidSize());
    BenchModel("mid_size", random.Open());
  }
  if (wanted("prefix")) BenchPrefixHits();
}

}  // namespace
}  // namespace shoal::bench

int main(int argc, char** argv) {
  shoal::bench::Run(argc > 1 ? argv[1] : shoal::testing::GoldenCheckpoint(),
                    {argv + std::min(argc, 2), argv + argc});
}
