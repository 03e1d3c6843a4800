// The attention of one head at one position: the inner loop of WindowAttention.
//
// A result depends on the query, the rows and their order alone. float runs on vectors of eight,
// the same on every machine, double in plain loops.
#ifndef SHOAL_COMMON_CODEC_ATTEND_H_
#define SHOAL_COMMON_CODEC_ATTEND_H_

#include <cstdint>

namespace shoal::codec {

// out = sum_i softmax(query . keys[i] / sqrt(head_dim))_i values[i] over `count` >= 1 rows of
// head_dim elements; weights: scratch of AttendScratch(count) elements.
void Attend(const float* query, const float* const* keys, const float* const* values, int64_t count,
            int64_t head_dim, float* weights, float* out);
void Attend(const double* query, const double* const* keys, const double* const* values,
            int64_t count, int64_t head_dim, double* weights, double* out);

constexpr int64_t AttendScratch(int64_t count) { return (count + 7) / 8 * 8; }

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_ATTEND_H_
