// Figures of benchmarks: lines `name value unit`.
#ifndef SHOAL_TESTS_BENCH_FIGURES_H_
#define SHOAL_TESTS_BENCH_FIGURES_H_

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal::bench {

inline double SecondsOf(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline double Milliseconds() { return 1e3 * SecondsOf(CLOCK_MONOTONIC); }

// Of all threads of this process: unlike the clock, hardly disturbed by what else the machine runs.
inline double CpuMilliseconds() { return 1e3 * SecondsOf(CLOCK_PROCESS_CPUTIME_ID); }

// Of work that `threads` threads share: one thread's own time, which a busy machine does not
// disturb; of more, the clock's.
inline double ComputeSeconds(int threads) {
  return SecondsOf(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC);
}

inline void Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) Fail(value.status());
  return *std::move(value);
}

inline double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

inline void Print(const std::string& name, double value, const char* unit) {
  std::printf("%s %.4g %s\n", name.c_str(), value, unit);
  std::fflush(stdout);
}

// Times of the same work, several times over.
class Timer {
 public:
  template <class Work>
  void Run(const Work& work) {
    const double start = Milliseconds(), cpu_start = CpuMilliseconds();
    work();
    Add(Milliseconds() - start, CpuMilliseconds() - cpu_start);
  }
  void Add(double elapsed, double cpu) {
    elapsed_.push_back(elapsed);
    cpu_.push_back(cpu);
  }

  double elapsed() const { return Median(elapsed_); }  // median, milliseconds
  double cpu() const { return Median(cpu_); }

  // Milliseconds times `scale`, by the clock and of processor time.
  void Report(const std::string& name, double scale, const char* unit) const {
    Print(name, elapsed() * scale, unit);
    Print(name + "/cpu", cpu() * scale, unit);
  }

 private:
  std::vector<double> elapsed_, cpu_;
};

}  // namespace shoal::bench

#endif  // SHOAL_TESTS_BENCH_FIGURES_H_
