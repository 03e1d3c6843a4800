#include "common/audio/resampler.h"

#include <soxr.h>

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::audio {

void Resampler::Deleter::operator()(soxr* state) const { soxr_delete(state); }

absl::StatusOr<Resampler> Resampler::Create(int from_rate, int to_rate) {
  if (from_rate <= 0 || to_rate <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot resample from ", from_rate, " Hz to ", to_rate, " Hz"));
  }
  if (from_rate == to_rate) return Resampler(nullptr, 1.0);
  soxr_error_t error = nullptr;
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t one_thread = soxr_runtime_spec(1);
  soxr_t state = soxr_create(from_rate, to_rate, 1, &error, nullptr, &quality, &one_thread);
  if (state == nullptr || error != nullptr) {
    return absl::InternalError(absl::StrCat("soxr: ", error == nullptr ? "no memory" : error));
  }
  return Resampler(state, double(to_rate) / from_rate);
}

void Resampler::Process(absl::Span<const float> samples, std::vector<float>* out) {
  if (state_ == nullptr) {
    out->insert(out->end(), samples.begin(), samples.end());
    return;
  }
  while (!samples.empty()) {
    const size_t before = out->size();
    // Room for all that this input can release, what the filter held back included.
    const auto room = static_cast<size_t>(std::ceil(samples.size() * ratio_)) + 8192;
    out->resize(before + room);
    size_t taken = 0, made = 0;
    soxr_process(state_.get(), samples.data(), samples.size(), &taken, out->data() + before, room,
                 &made);
    out->resize(before + made);
    samples.remove_prefix(taken);
    if (taken == 0 && made == 0) return;  // only an error inside soxr ends up here
  }
}

void Resampler::Flush(std::vector<float>* out) {
  if (state_ == nullptr) return;
  constexpr size_t kRoom = 8192;
  for (;;) {
    const size_t before = out->size();
    out->resize(before + kRoom);
    size_t made = 0;
    soxr_process(state_.get(), nullptr, 0, nullptr, out->data() + before, kRoom, &made);
    out->resize(before + made);
    if (made == 0) break;
  }
  soxr_clear(state_.get());
}

absl::StatusOr<std::vector<float>> Resample(absl::Span<const float> samples, int from_rate,
                                            int to_rate) {
  absl::StatusOr<Resampler> resampler = Resampler::Create(from_rate, to_rate);
  if (!resampler.ok()) return resampler.status();
  std::vector<float> out;
  resampler->Process(samples, &out);
  resampler->Flush(&out);
  return out;
}

}  // namespace shoal::audio
