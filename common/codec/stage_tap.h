// A look at what comes out of every stage of the codec, for tests and comparisons of builds.
#ifndef SHOAL_COMMON_CODEC_STAGE_TAP_H_
#define SHOAL_COMMON_CODEC_STAGE_TAP_H_

#include <ATen/ATen.h>

#include <functional>

#include "absl/strings/string_view.h"

namespace shoal::codec {

// Called on the calling thread with the stage's name, as its module is called in the checkpoint,
// and its output (streams, time, channels), which must not be changed. A pass over long input is
// made in parts, in order of time: a tap then sees every stage once a part.
using StageTap = std::function<void(absl::string_view stage, const at::Tensor& output)>;

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_STAGE_TAP_H_
