// engine_simulation: the engine's scheduling of many clients on one simulated H200, against two
// other ways to serve. Lines `name value unit`.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/service/flag_set.h"
#include "loadtest/simulation/comparison.h"
#include "loadtest/simulation/report.h"

namespace {

namespace simulation = shoal::simulation;

// False when the file could not be written whole.
bool Write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  return file.good();
}

}  // namespace

int main(int argc, char** argv) {
  simulation::ComparisonOptions options;
  const std::vector<simulation::Way> all = {simulation::Deadline(), simulation::FirstCome(),
                                            simulation::FixedChunks()};
  std::vector<std::string> ways;
  for (const simulation::Way& way : all) ways.push_back(way.name);
  std::vector<std::string> loads = {"16", "64", "128", "256", "448", "480", "496", "512", "544"};
  int seeds = 2;
  uint64_t first_seed = 1;
  std::string json;

  shoal::service::FlagSet flags("engine_simulation",
                                "Compares ways to schedule speech on one simulated H200.");
  flags.Add("clients", &loads, "mean numbers of clients that listen at a time");
  flags.Add("seeds", &seeds, "runs of each, with other clients");
  flags.Add("first-seed", &first_seed, "the first of those seeds");
  flags.Add("ways", &ways, "ways to serve; the first one is compared with the others");
  flags.Add("slowdown", &options.run.gpu.slowdown,
            "every step takes this many times what the arithmetic says");
  flags.Add("warm-up", &options.run.warm_up, "simulated seconds before clients are measured");
  flags.Add("measured", &options.run.measured, "simulated seconds of arrivals that are measured");
  flags.Add("news-delay", &options.run.news_delay, "seconds until the engine hears of a buffer");
  flags.Add("news-period", &options.run.news_period, "seconds between such reports");
  flags.Add("in-flight", &options.run.device.max_in_flight, "steps launched ahead: 1 or 2");
  flags.Add("threads", &options.threads, "threads that simulate");
  flags.Add("json", &json, "file for all results; empty = none");
  flags.ParseOrExit(argc, argv);

  for (const std::string& load : loads) {
    double clients = 0;
    if (!absl::SimpleAtod(load, &clients) || clients <= 0) {
      flags.Fail(absl::StrCat("--clients: '", load, "' is not a number of clients"));
    }
    options.loads.push_back(clients);
  }
  for (const std::string& name : ways) {
    const auto way = std::find_if(all.begin(), all.end(),
                                  [&](const simulation::Way& other) { return other.name == name; });
    if (way == all.end()) flags.Fail(absl::StrCat("--ways: there is no way '", name, "'"));
    options.ways.push_back(*way);
  }
  if (seeds < 1 || options.threads < 1) flags.Fail("--seeds, --threads: expected at least 1");
  if (options.run.device.max_in_flight < 1 || options.run.device.max_in_flight > 2) {
    flags.Fail("--in-flight: expected 1 or 2");
  }
  for (int i = 0; i < seeds; ++i) options.seeds.push_back(first_seed + i);

  const std::vector<simulation::Outcome> outcomes = simulation::RunAll(options);
  std::fputs(simulation::Lines(options, outcomes).c_str(), stdout);
  if (!json.empty() && !Write(json, simulation::Json(options, outcomes))) {
    flags.Fail(absl::StrCat("--json: cannot write ", json));
  }
  return 0;
}
