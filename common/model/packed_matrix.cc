#include "common/model/packed_matrix.h"

#include <algorithm>
#include <cstring>

#include "common/model/packed_kernels.h"
#include "common/model/parallel.h"

namespace shoal::model {
namespace {

// Multiply-adds that are worth waking a thread for.
constexpr int64_t kGrainProducts = 1 << 20;

uint32_t Bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

bool FitsBf16(const float* weight, int64_t n) {
  return std::all_of(weight, weight + n, [](float w) { return (Bits(w) & 0xffff) == 0; });
}

// One panel: up to kPanelWidth rows of the weight, transposed.
void PackPanel(const float* weight, int64_t rows, int64_t in, bool bf16, uint32_t* panel) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < in; ++k) {
      const uint32_t bits = Bits(weight[row * in + k]);
      if (bf16) {
        panel[k / 2 * kPanelWidth + row] |= k % 2 == 0 ? bits >> 16 : bits;
      } else {
        panel[k * kPanelWidth + row] = bits;
      }
    }
  }
}

}  // namespace

bool HasAvx512() { return __builtin_cpu_supports("avx512f") != 0; }

PackedMatrix::PackedMatrix(const float* weight, int64_t out, int64_t in)
    : out_(out), in_(in), bf16_(FitsBf16(weight, out * in)) {
  const int64_t panels = (out + kPanelWidth - 1) / kPanelWidth;
  const int64_t panel_bytes = PanelBytes(bf16_, in);
  panels_ = LargeMemory(static_cast<size_t>(panels * panel_bytes));
  for (int64_t panel = 0; panel < panels; ++panel) {
    PackPanel(weight + panel * kPanelWidth * in, std::min(kPanelWidth, out - panel * kPanelWidth),
              in, bf16_, reinterpret_cast<uint32_t*>(panels_.get() + panel * panel_bytes));
  }
}

void PackedMatrix::Multiply(const float* x, int64_t rows, const float* bias, const float* residual,
                            float* y) const {
  const PackedProduct product{panels_.get(), bf16_, in_, out_, x, rows, bias, residual, y};
  const auto multiply = HasAvx512() ? MultiplyPanelsAvx512 : MultiplyPanelsAvx2;
  const int64_t panels = (out_ + kPanelWidth - 1) / kPanelWidth;
  const int64_t grain = kGrainProducts / std::max<int64_t>(1, rows * in_ * kPanelWidth);
  ParallelFor(panels, std::max<int64_t>(1, grain),
              [&](int64_t begin, int64_t end) { multiply(product, begin, end); });
}

}  // namespace shoal::model
