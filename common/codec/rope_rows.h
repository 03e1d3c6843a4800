// Rows of model::RopeTable, one position at a time and for any position: a stream has no end, a
// table has.
//
// Immutable after construction.
#ifndef SHOAL_COMMON_CODEC_ROPE_ROWS_H_
#define SHOAL_COMMON_CODEC_ROPE_ROWS_H_

#include <cstdint>
#include <vector>

namespace shoal::codec {

class RopeRows {
 public:
  // REQUIRES: head_dim is even.
  RopeRows(int64_t head_dim, double base);

  // Writes row `position`, (head_dim/2, 2) of bf16-rounded (cos, sin): bit for bit that of a table.
  void Fill(int64_t position, float* row) const;

 private:
  std::vector<float> frequencies_;
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_ROPE_ROWS_H_
