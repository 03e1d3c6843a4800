// How many prompt positions the prefix cache saves on a made workload of 64 voices, against the
// size of the pool of KV blocks. The engine is the real one, the model draws nothing but noise.
#ifndef SHOAL_TESTS_BENCH_PREFIX_HITS_H_
#define SHOAL_TESTS_BENCH_PREFIX_HITS_H_

namespace shoal::bench {

void BenchPrefixHits();

}  // namespace shoal::bench

#endif  // SHOAL_TESTS_BENCH_PREFIX_HITS_H_
