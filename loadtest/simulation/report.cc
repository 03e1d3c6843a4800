#include "loadtest/simulation/report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace shoal::simulation {
namespace {

// Mean over the seeds of what one setting came to at one load.
struct Mean {
  int runs = 0;
  Summary sum;
  double gpu_busy = 0, mean_rows = 0;

  void Add(const Outcome& outcome) {
    const Summary& one = outcome.summary;
    ++runs;
    sum.clients += one.clients;
    sum.refused += one.refused;
    sum.first_audio_p50 += one.first_audio_p50;
    sum.first_audio_p95 += one.first_audio_p95;
    sum.first_audio_p99 += one.first_audio_p99;
    sum.underrun += one.underrun;
    sum.underrun_share += one.underrun_share;
    sum.underrun_p95 += one.underrun_p95;
    sum.with_gap += one.with_gap;
    sum.longest_gap = std::max(sum.longest_gap, one.longest_gap);
    gpu_busy += outcome.gpu_busy;
    mean_rows += outcome.mean_rows;
  }
  double Of(double total) const { return runs > 0 ? total / runs : 0; }
};

Mean MeanOf(const std::vector<Outcome>& outcomes, double load, int way, int setting) {
  Mean mean;
  for (const Outcome& outcome : outcomes) {
    if (outcome.load == load && outcome.way == way && outcome.setting == setting) mean.Add(outcome);
  }
  return mean;
}

void Line(std::string* lines, const std::string& name, double value, const char* unit) {
  absl::StrAppendFormat(lines, "simulation/%s %.4g %s\n", name, value, unit);
}

void MeanLines(std::string* lines, const std::string& name, const Mean& mean) {
  Line(lines, name + "/first_audio_p50", 1e3 * mean.Of(mean.sum.first_audio_p50), "ms");
  Line(lines, name + "/first_audio_p95", 1e3 * mean.Of(mean.sum.first_audio_p95), "ms");
  Line(lines, name + "/underrun", 1e3 * mean.Of(mean.sum.underrun), "ms_a_client");
  Line(lines, name + "/clients_with_a_gap", 100 * mean.Of(mean.sum.with_gap), "%");
  Line(lines, name + "/longest_gap", 1e3 * mean.sum.longest_gap, "ms");
  Line(lines, name + "/gpu_busy", 100 * mean.Of(mean.gpu_busy), "%");
  Line(lines, name + "/rows_a_step", mean.Of(mean.mean_rows), "rows");
  if (mean.sum.refused > 0) Line(lines, name + "/refused", mean.sum.refused, "clients");
}

void TallyLines(std::string* lines, const std::string& name, const Tally& tally) {
  Line(lines, name + "/less_underrun", tally.less, "seeds");
  Line(lines, name + "/equal_underrun", tally.equal, "seeds");
  Line(lines, name + "/more_underrun", tally.more, "seeds");
  Line(lines, name + "/other_only_slower", tally.slower, "seeds");
  if (tally.first_underrun > 0 && tally.decided() > 0) {
    Line(lines, name + "/underrun_of_other", tally.other_underrun / tally.first_underrun, "times");
  }
}

std::string Against(const ComparisonOptions& options, int way) {
  return absl::StrCat(options.ways[0].name, "_against_", options.ways[way].name);
}

std::string RunJson(const ComparisonOptions& options, const Outcome& outcome) {
  const Summary& one = outcome.summary;
  const Way& way = options.ways[outcome.way];
  return absl::StrFormat(
      R"({"clients": %g, "seed": %u, "way": "%s", "setting": "%s", "measured": %d, "refused": %d, )"
      R"("first_audio_p50": %.6g, "first_audio_p95": %.6g, "first_audio_p99": %.6g, )"
      R"("underrun": %.6g, "underrun_share": %.6g, "underrun_p95": %.6g, "with_gap": %.6g, )"
      R"("longest_gap": %.6g, "gpu_busy": %.6g, "rows_a_step": %.6g})",
      outcome.load, outcome.seed, way.name, way.settings[outcome.setting].name, one.clients,
      one.refused, one.first_audio_p50, one.first_audio_p95, one.first_audio_p99, one.underrun,
      one.underrun_share, one.underrun_p95, one.with_gap, one.longest_gap, outcome.gpu_busy,
      outcome.mean_rows);
}

std::string TallyJson(const ComparisonOptions& options, double load, int way, const Tally& tally) {
  return absl::StrFormat(
      R"({"clients": %g, "against": "%s", "less": %d, "equal": %d, "more": %d, "slower": %d, )"
      R"("underrun": %.6g, "other_underrun": %.6g})",
      load, options.ways[way].name, tally.less, tally.equal, tally.more, tally.slower,
      tally.first_underrun, tally.other_underrun);
}

}  // namespace

std::string Lines(const ComparisonOptions& options, const std::vector<Outcome>& outcomes) {
  std::string lines;
  for (const double load : options.loads) {
    const std::string clients = absl::StrCat("clients=", load, "/");
    for (size_t way = 0; way < options.ways.size(); ++way) {
      for (size_t i = 0; i < options.ways[way].settings.size(); ++i) {
        const std::string& setting = options.ways[way].settings[i].name;
        const std::string name = setting.empty()
                                     ? options.ways[way].name
                                     : absl::StrCat(options.ways[way].name, "/", setting);
        MeanLines(&lines, clients + name,
                  MeanOf(outcomes, load, static_cast<int>(way), static_cast<int>(i)));
      }
    }
  }
  for (int way = 1; way < static_cast<int>(options.ways.size()); ++way) {
    Tally sum;
    for (const double load : options.loads) {
      const Tally tally = TallyOf(outcomes, load, way);
      TallyLines(&lines, absl::StrCat(Against(options, way), "/clients=", load), tally);
      sum.Add(tally);
    }
    TallyLines(&lines, absl::StrCat(Against(options, way), "/all"), sum);
    if (sum.decided() > 0) {
      Line(&lines, absl::StrCat(Against(options, way), "/less_underrun_of_decided"),
           100.0 * sum.less / sum.decided(), "%");
    }
  }
  return lines;
}

std::string Json(const ComparisonOptions& options, const std::vector<Outcome>& outcomes) {
  std::vector<std::string> runs, verdicts;
  for (const Outcome& outcome : outcomes) runs.push_back("  " + RunJson(options, outcome));
  for (int way = 1; way < static_cast<int>(options.ways.size()); ++way) {
    for (const double load : options.loads) {
      verdicts.push_back("  " + TallyJson(options, load, way, TallyOf(outcomes, load, way)));
    }
  }
  return absl::StrFormat(
      "{\"slowdown\": %g, \"warm_up\": %g, \"measured\": %g,\n\"runs\": [\n%s\n],\n"
      "\"verdicts\": [\n%s\n]}\n",
      options.run.gpu.slowdown, options.run.warm_up, options.run.measured,
      absl::StrJoin(runs, ",\n"), absl::StrJoin(verdicts, ",\n"));
}

}  // namespace shoal::simulation
