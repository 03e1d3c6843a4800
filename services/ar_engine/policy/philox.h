// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a keyed
// bijection on 128-bit counters whose outputs serve as random numbers. There is no state: who knows
// the key and the counter knows the numbers, so draws do not depend on what was drawn before or
// beside them. Any thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_PHILOX_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_PHILOX_H_

#include <array>
#include <cstdint>

namespace shoal::engine {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

inline PhiloxKey PhiloxKeyOf(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

inline PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9;  // golden ratio
    key[1] += 0xBB67AE85;  // sqrt(3) - 1
  }
  return counter;
}

// A uniform number in (0, 1]: (word + 1) / 2^32, exact in double.
inline double UnitInterval(uint32_t word) { return (static_cast<double>(word) + 1.0) * 0x1p-32; }

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_PHILOX_H_
