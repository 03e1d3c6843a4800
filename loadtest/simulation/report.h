// Report: a comparison as `name value unit` lines and as JSON.
#ifndef SHOAL_LOADTEST_SIMULATION_REPORT_H_
#define SHOAL_LOADTEST_SIMULATION_REPORT_H_

#include <string>
#include <vector>

#include "loadtest/simulation/comparison.h"

namespace shoal::simulation {

// Per load: first audio and underrun of every way (of each way but the first, the setting that
// counted, see Judge), the verdicts, and in the end their sums over the loads.
std::string Lines(const ComparisonOptions& options, const std::vector<Outcome>& outcomes);

// Everything: {"options": ..., "runs": [...], "verdicts": [...]}.
std::string Json(const ComparisonOptions& options, const std::vector<Outcome>& outcomes);

}  // namespace shoal::simulation

#endif  // SHOAL_LOADTEST_SIMULATION_REPORT_H_
