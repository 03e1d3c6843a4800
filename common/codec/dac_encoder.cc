#include "common/codec/dac_encoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace shoal::codec {
namespace {

constexpr int64_t kFirstKernel = 7;
constexpr int64_t kLastKernel = 3;

int64_t LastChannels(const checkpoint::CodecConfig& config) {
  return config.encoder_channels(static_cast<int64_t>(config.encoder_rates.size()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const DacEncoder>> DacEncoder::Load(
    const checkpoint::Checkpoint& checkpoint, Options options) {
  WeightReader weights(checkpoint.codec_weights(), options.dtype);
  std::unique_ptr<const DacEncoder> encoder(
      new DacEncoder(weights, checkpoint.codec_config(), std::move(options)));
  if (!weights.status().ok()) return weights.status();
  return encoder;
}

DacEncoder::DacEncoder(WeightReader& weights, const checkpoint::CodecConfig& config,
                       Options options)
    : frame_length_(config.frame_length),
      sample_rate_(config.sample_rate),
      options_(std::move(options)),
      layout_(options_.dtype),
      first_(StreamingConv::Causal(weights, "encoder.block.0",
                                   {1, config.encoder_dim, kFirstKernel},
                                   StreamingConv::Norm::kWeightNorm, layout_)),
      stages_([&] {
        std::vector<Stage> stages;
        for (const int64_t rate : config.encoder_rates) {
          const int64_t number = 1 + static_cast<int64_t>(stages.size());
          const std::string module = absl::StrCat("encoder.block.", number);
          Stage stage{
              EncoderBlock(weights, module, config.encoder_channels(number - 1), rate, layout_),
              std::nullopt};
          if (config.encoder_transformer && config.encoder_transformer->block == number) {
            stage.transformer.emplace(weights, module + ".block.5",
                                      config.encoder_transformer->transformer,
                                      config.encoder_channels(number), options_.mode, layout_);
          }
          stages.push_back(std::move(stage));
        }
        return stages;
      }()),
      snake_(weights, absl::StrCat("encoder.block.", 1 + stages_.size()), LastChannels(config)),
      last_(StreamingConv::Causal(weights, absl::StrCat("encoder.block.", 2 + stages_.size()),
                                  {LastChannels(config), config.latent_dim, kLastKernel},
                                  StreamingConv::Norm::kWeightNorm, layout_)),
      downsample_([&] {
        std::vector<Downsampling> stages;
        const int64_t dim = config.quantizer.input_dim;
        for (const int64_t factor : config.quantizer.downsample_factor) {
          const std::string module = absl::StrCat("quantizer.downsample.", stages.size());
          StreamingConv conv =
              StreamingConv::Causal(weights, module + ".0", {dim, dim, factor, 1, factor},
                                    StreamingConv::Norm::kPlain, layout_);
          stages.push_back(
              {std::move(conv), ConvNext(weights, module + ".1", dim, options_.mode, layout_)});
        }
        return stages;
      }()),
      pre_module_(weights, "quantizer.pre_module", config.quantizer_transformer,
                  config.quantizer.input_dim, options_.mode, layout_),
      quantizer_(weights, "quantizer", config.quantizer, options_.mode) {}

absl::StatusOr<at::Tensor> DacEncoder::Encode(const at::Tensor& samples) const {
  return Encode(samples, [](int64_t, int64_t) { return true; });
}

absl::StatusOr<at::Tensor> DacEncoder::Encode(const at::Tensor& samples, Watch watch) const {
  if (samples.dim() != 1 || samples.size(0) < 1 || !samples.is_floating_point()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "samples: expected one axis of 1 or more floating numbers, found ",
        c10::toString(samples.scalar_type()), " (", absl::StrJoin(samples.sizes(), ", "), ")"));
  }
  const int64_t frames = (samples.size(0) + frame_length_ - 1) / frame_length_;
  at::Tensor slab = at::zeros({1, layout_.elements()}, options_.dtype);
  const int64_t slot = 0;
  const Streams streams(slab, {&slot, 1});
  at::Tensor codes = at::empty({num_codebooks(), frames}, at::kLong);
  for (int64_t frame = 0; frame < frames;) {
    const int64_t count = std::min(options_.block_frames, frames - frame);
    const absl::StatusOr<at::Tensor> block =
        EncodeBlock(streams, samples, frame * frame_length_, count);
    if (!block.ok()) return block.status();
    codes.narrow(1, frame, count).copy_(*block);
    frame += count;
    if (!watch(frame, frames)) return absl::CancelledError("the encoding was stopped");
  }
  return codes;
}

absl::StatusOr<at::Tensor> DacEncoder::EncodeBlock(const Streams& streams,
                                                   const at::Tensor& samples, int64_t begin,
                                                   int64_t frames) const {
  const int64_t length = frames * frame_length_;
  const int64_t given = std::min(length, samples.size(0) - begin);
  at::Tensor input = at::zeros({1, length, 1}, options_.dtype);
  input.view({length}).narrow(0, 0, given).copy_(samples.narrow(0, begin, given));
  if (!input.isfinite().all().item<bool>()) {
    return absl::InvalidArgumentError("samples: expected finite numbers");
  }
  const at::Tensor z = Pass(streams, input);
  if (!z.isfinite().all().item<bool>()) {
    return absl::InternalError("the encoder's output is not finite");
  }
  return quantizer_.Encode(z).t();
}

at::Tensor DacEncoder::Pass(const Streams& streams, const at::Tensor& samples) const {
  at::Tensor h = first_(streams, samples);
  Tap("encoder.block.0", h);
  for (size_t i = 0; i < stages_.size(); ++i) {
    h = stages_[i].block(streams, h);
    if (stages_[i].transformer) h = (*stages_[i].transformer)(streams, h);
    Tap(absl::StrCat("encoder.block.", 1 + i), h);
  }
  if (options_.tap) Tap(absl::StrCat("encoder.block.", 1 + stages_.size()), snake_(h));
  h = last_(streams, h, {.before = &snake_});
  Tap(absl::StrCat("encoder.block.", 2 + stages_.size()), h);
  for (size_t i = 0; i < downsample_.size(); ++i) {
    h = downsample_[i].next(streams, downsample_[i].conv(streams, h));
    Tap(absl::StrCat("downsample.", i), h);
  }
  h = pre_module_(streams, h);
  Tap("pre_module", h);
  return h.squeeze(0);
}

void DacEncoder::Tap(absl::string_view stage, const at::Tensor& output) const {
  if (options_.tap) options_.tap(stage, output);
}

}  // namespace shoal::codec
