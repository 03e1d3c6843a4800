// shoal-vocoder: the streaming decoder. Flags in, service up, wait for a signal, drain, out.

#include <ATen/Parallel.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "common/service/admin_server.h"
#include "common/service/flag_set.h"
#include "common/service/log.h"
#include "common/service/metrics.h"
#include "common/service/openmp_waiting.h"
#include "common/service/service_options.h"
#include "common/service/shutdown.h"
#include "common/transport/channel_flags.h"
#include "services/vocoder/dac_frame_decoder.h"
#include "services/vocoder/vocoder_service.h"
#include "spdlog/spdlog.h"

namespace shoal::vocoder {
namespace {

struct Flags {
  std::string checkpoint;
  transport::Channel::Options channel{.bind = "tcp://127.0.0.1:9003"};
  int slots = 64;
  int max_batch = 32;
  int max_chunk_frames = 8;
  int max_step_frames = 64;
  int buffer_reserve_ms = 100;
  int max_queued_frames = 4096;
  int max_stream_frames = 1 << 22;
  int threads = 1;
  bool deterministic = true;
  service::ServiceOptions service;
};

void AddFlags(service::FlagSet& set, Flags* flags) {
  set.Add("checkpoint", &flags->checkpoint, "folder of the model; only its codec is loaded");
  transport::AddChannelFlags(set, &flags->channel);
  set.Add("slots", &flags->slots, "streams that may be open at once");
  set.Add("max-batch", &flags->max_batch, "streams in one decoder step");
  set.Add("max-chunk-frames", &flags->max_chunk_frames, "frames of one stream in a step");
  set.Add("max-step-frames", &flags->max_step_frames,
          "frames of all streams in a step: who comes while it runs waits for no more");
  set.Add("buffer-reserve-ms", &flags->buffer_reserve_ms,
          "a listener's unplayed audio that no larger chunk may be made from");
  set.Add("max-stream-frames", &flags->max_stream_frames, "frames of one stream, over all turns");
  set.Add("max-queued-frames", &flags->max_queued_frames, "frames of one stream that may wait");
  set.Add("threads", &flags->threads, "threads that compute one step");
  set.Add("deterministic", &flags->deterministic,
          "make a stream's samples the same bits whoever shares its steps");
  service::AddServiceFlags(set, &flags->service);
}

absl::Status Check(const Flags& flags) {
  if (flags.checkpoint.empty()) {
    return absl::InvalidArgumentError("--checkpoint: expected the folder of a model");
  }
  if (absl::Status status = transport::CheckChannelFlags(flags.channel); !status.ok()) {
    return status;
  }
  for (const auto& [name, value] : {std::pair{"slots", flags.slots},
                                    {"max-batch", flags.max_batch},
                                    {"max-chunk-frames", flags.max_chunk_frames},
                                    {"max-step-frames", flags.max_step_frames},
                                    {"max-queued-frames", flags.max_queued_frames},
                                    {"max-stream-frames", flags.max_stream_frames},
                                    {"threads", flags.threads}}) {
    if (value < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, ": ", value, "; expected 1 or more"));
    }
  }
  if (flags.buffer_reserve_ms < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--buffer-reserve-ms: ", flags.buffer_reserve_ms, "; expected 0 or more"));
  }
  return absl::OkStatus();
}

// One frame through slot 0, so that a decoder that cannot work says so at its start.
absl::Status SelfCheck(DacFrameDecoder& decoder) {
  const std::vector<int32_t> codes(decoder.num_codebooks(), 0);
  const auto decoded = decoder.Decode({0}, 1, codes);
  if (!decoded.ok()) return decoded.status();
  if (!(*decoded)[0].finite) return absl::InternalError("a frame of zeros decodes to no sound");
  return absl::OkStatus();
}

absl::StatusOr<pipeline::v1::Hello> Introduce(const checkpoint::Checkpoint& checkpoint,
                                              const DacFrameDecoder& decoder, const Flags& flags) {
  const absl::StatusOr<checkpoint::Fingerprint> fingerprint = checkpoint.fingerprint();
  if (!fingerprint.ok()) return fingerprint.status();
  pipeline::v1::Hello hello;
  hello.mutable_fingerprint()->set_codec(fingerprint->codec);
  hello.mutable_numeric()->set_dtype("float32");
  hello.mutable_numeric()->set_deterministic(flags.deterministic);
  hello.mutable_limits()->set_num_codebooks(decoder.num_codebooks());
  hello.mutable_limits()->set_sample_rate_hz(decoder.sample_rate());
  hello.mutable_limits()->set_frame_length(decoder.frame_length());
  return hello;
}

int Run(int argc, char** argv) {
  service::WaitPassively(argv);
  Flags flags;
  service::FlagSet flag_set("shoal-vocoder", "The streaming decoder: turns codes into audio.");
  AddFlags(flag_set, &flags);
  flag_set.ParseOrExit(argc, argv);
  const auto require = [&](const absl::Status& status) {
    if (!status.ok()) flag_set.Fail(status.message());
  };
  require(Check(flags));
  require(service::SetUpLog(flags.service.log, "shoal-vocoder"));
  const auto shutdown = service::Shutdown::Start();
  require(shutdown.status());

  at::set_num_threads(flags.threads);
  const auto checkpoint =
      checkpoint::Checkpoint::Open(flags.checkpoint, {.transformer = false, .codec = true});
  require(checkpoint.status());
  const auto decoder = DacFrameDecoder::Load(
      *checkpoint, {.num_slots = flags.slots,
                    .mode = flags.deterministic ? model::ProductMode::kDeterministic
                                                : model::ProductMode::kFast});
  require(decoder.status());
  require(SelfCheck(**decoder));
  const auto hello = Introduce(*checkpoint, **decoder, flags);
  require(hello.status());

  service::Metrics metrics("shoal-vocoder");
  VocoderService::Options options;
  options.channel = flags.channel;
  options.channel.self = *hello;
  options.loop.schedule = {
      .max_batch = flags.max_batch,
      .max_frames_per_chunk = flags.max_chunk_frames,
      .max_frames_per_step = flags.max_step_frames,
      .reserve = std::chrono::milliseconds(flags.buffer_reserve_ms),
  };
  options.loop.max_queued_frames = flags.max_queued_frames;
  options.loop.max_stream_frames = flags.max_stream_frames;
  const auto vocoder = VocoderService::Start(options, decoder->get(), &metrics);
  require(vocoder.status());
  const auto admin = service::AdminServer::Start(
      {.listen = flags.service.admin_listen,
       .metrics = [&metrics] { return metrics.Serialize(); },
       .not_ready = [&shutdown] { return (*shutdown)->requested() ? "draining" : ""; }});
  require(admin.status());
  spdlog::info("decoding for {} streams on {}, {} bytes of state each, metrics on {}", flags.slots,
               (*vocoder)->channel().inbox(), (*decoder)->state_bytes(), (*admin)->address());

  (*shutdown)->OnSignal([&] {
    spdlog::info("shutting down");
    (*vocoder)->Drain();
    (*vocoder)->AwaitIdle(flags.service.drain_grace);
  });
  (*shutdown)->Wait();
  return 0;
}

}  // namespace
}  // namespace shoal::vocoder

int main(int argc, char** argv) { return shoal::vocoder::Run(argc, argv); }
