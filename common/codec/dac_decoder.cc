#include "common/codec/dac_decoder.h"

#include <ATen/Dispatch.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/codec/activations.h"
#include "common/model/parallel.h"

namespace shoal::codec {
namespace {

constexpr int64_t kOuterKernel = 7;  // of the first and the last convolution
// Rows that residual units keep together, of kernel 7 and dilations 1, 3 and 9, and that a ConvNeXt
// keeps, of kernel 7.
constexpr int64_t kResidualUnitsContext = 6 + 18 + 54;
constexpr int64_t kConvNextContext = 6;
// Frames of all streams together that go through the stages at once: enough rows for the products
// of the slow stages, and a bound on memory whatever a step is asked for.
constexpr int64_t kFramesPerPass = 64;

at::Tensor CodesOfShape(const at::Tensor& codes) {
  return codes.reshape({-1, codes.size(2)}).contiguous();
}

// Replaces samples by their tanh and notes which streams had one that is not finite.
template <typename T>
void Squash(at::Tensor& samples, std::vector<bool>& finite) {
  const int64_t length = samples.size(1);
  for (int64_t i = 0; i < samples.size(0); ++i) {
    T* row = samples.mutable_data_ptr<T>() + i * samples.stride(0);
    if (!AllFinite(row, length)) finite[i] = false;
    Tanh(row, length);
  }
}

int64_t LastChannels(const checkpoint::CodecConfig& config) {
  return config.decoder_dim >> config.decoder_rates.size();
}

// How many rows before a boundary decide the outputs behind it and `rows` outputs before it, where
// a convolution keeps `context` input rows and makes `stride` rows of each.
int64_t Reach(int64_t rows, int64_t context, int64_t stride = 1) {
  return (rows + stride - 1) / stride + context;
}

// Frames of post_module's output, before a boundary, that decide the samples behind it.
int64_t ConvolutionFrames(const checkpoint::CodecConfig& config) {
  int64_t rows = Reach(0, kOuterKernel - 1);
  const std::vector<int64_t>& rates = config.decoder_rates;
  for (auto rate = rates.rbegin(); rate != rates.rend(); ++rate) {
    rows = Reach(Reach(rows, kResidualUnitsContext), /*context=*/1, *rate);
  }
  rows = Reach(rows, kOuterKernel - 1);
  // Upsampling stage by stage from the last to the first, as they are built below from the factors
  // in reverse: a depthwise convolution behind a transposed one of kernel == stride.
  for (const int64_t factor : config.quantizer.downsample_factor) {
    rows = Reach(Reach(rows, kConvNextContext), /*context=*/0, factor);
  }
  return rows;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const DacDecoder>> DacDecoder::Load(
    const checkpoint::Checkpoint& checkpoint, Options options) {
  WeightReader weights(checkpoint.codec_weights(), options.dtype);
  std::unique_ptr<const DacDecoder> decoder(
      new DacDecoder(weights, checkpoint.codec_config(), std::move(options)));
  if (!weights.status().ok()) return weights.status();
  return decoder;
}

DacDecoder::DacDecoder(WeightReader& weights, const checkpoint::CodecConfig& config,
                       Options options)
    : frame_length_(config.frame_length),
      sample_rate_(config.sample_rate),
      transformer_frames_(config.quantizer_transformer.n_layer *
                          (config.quantizer_transformer.window_size - 1)),
      convolution_frames_(ConvolutionFrames(config)),
      options_(std::move(options)),
      layout_(options_.dtype),
      quantizer_(weights, "quantizer", config.quantizer, options_.mode),
      post_module_(weights, "quantizer.post_module", config.quantizer_transformer,
                   config.quantizer.input_dim, options_.mode, layout_),
      upsample_([&] {
        std::vector<Upsampling> stages;
        const int64_t dim = config.quantizer.input_dim;
        const std::vector<int64_t>& factors = config.quantizer.downsample_factor;
        for (auto factor = factors.rbegin(); factor != factors.rend(); ++factor) {
          const std::string stage = absl::StrCat("quantizer.upsample.", stages.size());
          StreamingConv conv =
              StreamingConv::Transposed(weights, stage + ".0", {dim, dim, *factor, 1, *factor},
                                        StreamingConv::Norm::kPlain, layout_);
          stages.push_back(
              {std::move(conv), ConvNext(weights, stage + ".1", dim, options_.mode, layout_)});
        }
        return stages;
      }()),
      first_(StreamingConv::Causal(weights, "decoder.model.0",
                                   {config.latent_dim, config.decoder_dim, kOuterKernel},
                                   StreamingConv::Norm::kWeightNorm, layout_)),
      blocks_([&] {
        std::vector<DecoderBlock> blocks;
        for (const int64_t rate : config.decoder_rates) {
          const int64_t channels = config.decoder_dim >> blocks.size();
          const std::string block = absl::StrCat("decoder.model.", 1 + blocks.size());
          blocks.emplace_back(weights, block, channels, rate, layout_);
        }
        return blocks;
      }()),
      snake_(weights, absl::StrCat("decoder.model.", 1 + blocks_.size()), LastChannels(config)),
      last_(StreamingConv::Causal(weights, absl::StrCat("decoder.model.", 2 + blocks_.size()),
                                  {LastChannels(config), 1, kOuterKernel},
                                  StreamingConv::Norm::kWeightNorm, layout_)) {}

int64_t DacDecoder::state_bytes() const {
  return layout_.elements() * static_cast<int64_t>(c10::elementSize(options_.dtype));
}

at::Tensor DacDecoder::NewSlab(int64_t slots) const {
  return at::zeros({slots, layout_.elements()}, options_.dtype);
}

void DacDecoder::Reset(at::Tensor& slab, int64_t slot) const { slab.select(0, slot).zero_(); }

int64_t DacDecoder::Position(at::Tensor& slab, int64_t slot) const {
  return post_module_.Position(Streams(slab, {&slot, 1}), 0);
}

void DacDecoder::Seek(at::Tensor& slab, int64_t slot, int64_t position) const {
  Reset(slab, slot);
  post_module_.SetPosition(Streams(slab, {&slot, 1}), 0, position);
}

absl::Status DacDecoder::Replay(at::Tensor& slab, int64_t slot, const at::Tensor& codes,
                                int64_t to_follow) const {
  const at::Tensor batch = codes.unsqueeze(0);
  if (absl::Status status = CheckStep(slab, {slot}, batch); !status.ok()) return status;
  StepReport ignored = {.finite = {true}, .clamped = {0}};
  const Streams streams(slab, {&slot, 1}, &pool_);
  const int64_t frames = codes.size(0);
  const int64_t unheard = std::clamp<int64_t>(frames + to_follow - convolution_frames_, 0, frames);
  for (int64_t frame = 0; frame < frames;) {
    const int64_t end = frame < unheard ? unheard : frames;
    const int64_t n = std::min(kFramesPerPass, end - frame);
    const at::Tensor part = batch.narrow(1, frame, n);
    if (frame < unheard) {
      PostModule(streams, part, ignored);
    } else {
      at::Tensor unused = streams.Empty({1, n * frame_length_, 1}, options_.dtype);
      Pass(streams, part, unused, ignored);
    }
    frame += n;
  }
  return absl::OkStatus();
}

absl::Status DacDecoder::CheckStep(const at::Tensor& slab, absl::Span<const int64_t> slots,
                                   const at::Tensor& codes) const {
  if (slab.dim() != 2 || slab.size(1) != layout_.elements() || !slab.is_contiguous() ||
      slab.scalar_type() != options_.dtype) {
    return absl::InvalidArgumentError("slab: expected one of this decoder's NewSlab");
  }
  absl::flat_hash_set<int64_t> seen;
  for (const int64_t slot : slots) {
    if (slot < 0 || slot >= slab.size(0) || !seen.insert(slot).second) {
      return absl::InvalidArgumentError(absl::StrCat("slots: expected different slots below ",
                                                     slab.size(0), ", found ", slot,
                                                     seen.contains(slot) ? " twice" : ""));
    }
  }
  const bool whole = codes.scalar_type() == at::kInt || codes.scalar_type() == at::kLong;
  if (!whole || codes.dim() != 3 || codes.size(0) != static_cast<int64_t>(slots.size()) ||
      codes.size(0) < 1 || codes.size(1) < 1 || codes.size(2) != num_codebooks()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "codes: expected int32 or int64 of (", slots.size(), " slots, 1 or more frames, ",
        num_codebooks(), " codebooks), found ", c10::toString(codes.scalar_type()), " (",
        absl::StrJoin(codes.sizes(), ", "), ")"));
  }
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> DacDecoder::Step(at::Tensor& slab, absl::Span<const int64_t> slots,
                                            const at::Tensor& codes, StepReport* report) const {
  if (absl::Status status = CheckStep(slab, slots, codes); !status.ok()) return status;
  StepReport found;
  found.finite.assign(slots.size(), true);
  found.clamped.assign(slots.size(), 0);
  const Streams streams(slab, slots, &pool_);
  const int64_t frames = codes.size(1);
  at::Tensor samples = streams.Empty({streams.size(), frames * frame_length_, 1}, options_.dtype);
  if (options_.tap) {  // sees whole batches
    Decode(streams, codes, samples, found);
  } else {
    std::vector<char> finite(slots.size());
    model::ParallelFor(streams.size(), /*grain=*/1, [&](int64_t begin, int64_t end) {
      const int64_t count = end - begin;
      StepReport part = {.finite = std::vector<bool>(count, true),
                         .clamped = std::vector<int64_t>(count, 0)};
      at::Tensor part_samples = samples.narrow(0, begin, count);
      Decode(streams.Part(begin, count), codes.narrow(0, begin, count), part_samples, part);
      std::copy(part.finite.begin(), part.finite.end(), finite.begin() + begin);
      std::copy(part.clamped.begin(), part.clamped.end(), found.clamped.begin() + begin);
    });
    found.finite.assign(finite.begin(), finite.end());
  }
  samples = samples.squeeze(2);
  if (report != nullptr) {
    *report = std::move(found);
    return samples;
  }
  std::vector<int64_t> broken;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!found.finite[i]) broken.push_back(slots[i]);
  }
  if (broken.empty()) return samples;
  return absl::InternalError(
      absl::StrCat("decoded samples of slots ", absl::StrJoin(broken, ", "), " are not finite"));
}

at::Tensor DacDecoder::PostModule(const Streams& streams, const at::Tensor& codes,
                                  StepReport& report) const {
  const int64_t frames = codes.size(1);
  std::vector<int64_t> clamped(streams.size() * frames, 0);
  const at::Tensor vectors = quantizer_.Decode(CodesOfShape(codes), &clamped);
  for (size_t row = 0; row < clamped.size(); ++row) report.clamped[row / frames] += clamped[row];

  at::Tensor h = vectors.view({streams.size(), frames, -1});
  Tap("decode.quantised", h);
  h = post_module_(streams, h);
  Tap("decode.post_module", h);
  return h;
}

void DacDecoder::Decode(const Streams& streams, const at::Tensor& codes, at::Tensor& samples,
                        StepReport& report) const {
  const int64_t frames = codes.size(1);
  const int64_t at_once = std::max<int64_t>(1, kFramesPerPass / streams.size());
  for (int64_t frame = 0; frame < frames; frame += at_once) {
    const int64_t n = std::min(at_once, frames - frame);
    at::Tensor part = samples.narrow(1, frame * frame_length_, n * frame_length_);
    Pass(streams, codes.narrow(1, frame, n), part, report);
  }
}

void DacDecoder::Pass(const Streams& streams, const at::Tensor& codes, at::Tensor& samples,
                      StepReport& report) const {
  at::Tensor h = PostModule(streams, codes, report);
  for (size_t i = 0; i < upsample_.size(); ++i) {
    h = upsample_[i].next(streams, upsample_[i].conv(streams, h));
    Tap(absl::StrCat("decode.upsample.", i), h);
  }
  h = first_(streams, h);
  Tap("decoder.model.0", h);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    h = blocks_[i](streams, h);
    Tap(absl::StrCat("decoder.model.", 1 + i), h);
  }
  if (options_.tap) Tap(absl::StrCat("decoder.model.", 1 + blocks_.size()), snake_(h));
  last_.To(streams, h, {.before = &snake_}, samples);
  Tap(absl::StrCat("decoder.model.", 2 + blocks_.size()), samples);
  AT_DISPATCH_FLOATING_TYPES(samples.scalar_type(), "Squash",
                             [&] { Squash<scalar_t>(samples, report.finite); });
  Tap(absl::StrCat("decoder.model.", 3 + blocks_.size()), samples);
}

void DacDecoder::Tap(absl::string_view stage, const at::Tensor& output) const {
  if (options_.tap) options_.tap(stage, output);
}

}  // namespace shoal::codec
