// Random: draws that depend on the seed alone, on every machine and compiler (the distributions of
// <random> do not promise that).
#ifndef SHOAL_LOADTEST_SIMULATION_RANDOM_H_
#define SHOAL_LOADTEST_SIMULATION_RANDOM_H_

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>

namespace shoal::simulation {

class Random {
 public:
  explicit Random(uint64_t seed) : bits_(seed) {}

  // In (0, 1).
  double Uniform() { return (static_cast<double>(bits_() >> 12) + 0.5) * 0x1p-52; }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  double Exponential(double mean) { return -mean * std::log(Uniform()); }
  // Box and Muller; the second number is thrown away.
  double Normal() {
    const double radius = std::sqrt(-2.0 * std::log(Uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * Uniform());
  }
  // 1, 2, ... with this mean >= 1.
  int Geometric(double mean) {
    if (mean <= 1) return 1;
    return 1 + static_cast<int>(std::log(Uniform()) / std::log(1.0 - 1.0 / mean));
  }

 private:
  std::mt19937_64 bits_;
};

}  // namespace shoal::simulation

#endif  // SHOAL_LOADTEST_SIMULATION_RANDOM_H_
