// Any bytes as a request message, and what parses as a config: refused by a field, or in range.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "google/protobuf/stubs/logging.h"
#include "services/preprocess/errors/errors.h"
#include "services/preprocess/front/request_check.h"
#include "services/preprocess/front/request_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // protobuf writes a line for every string that is not UTF-8.
  [[maybe_unused]] static google::protobuf::LogHandler* const silenced =
      google::protobuf::SetLogHandler(nullptr);
  const grpc::Slice slice(data, size);
  const grpc::ByteBuffer bytes(&slice, 1);
  shoal::tts::v1::StreamingSynthesizeRequest request;
  const absl::Status parsed = shoal::preprocess::ParseRequest(bytes, &request);
  if (!parsed.ok()) {
    if (parsed.code() != absl::StatusCode::kInvalidArgument) std::abort();
    if (shoal::preprocess::ReasonOf(parsed).empty()) std::abort();
    return 0;
  }
  shoal::preprocess::RequestContext context;
  context.codec_sample_rate = 44100;
  context.max_seq_len = 4096;
  const absl::StatusOr<shoal::preprocess::SessionConfig> config =
      shoal::preprocess::CheckConfig(request.config(), context);
  if (!config.ok()) {
    if (shoal::preprocess::ToGrpc(config.status()).error_details().empty()) std::abort();
    return 0;
  }
  const shoal::pipeline::v1::Sampling& sampling = config->sampling;
  if (!(sampling.temperature() >= 0 && sampling.temperature() <= 10)) std::abort();
  if (!(sampling.top_p() > 0 && sampling.top_p() <= 1)) std::abort();
  if (config->sample_rate_hz < 8000 || config->sample_rate_hz > 48000) std::abort();
  return 0;
}
