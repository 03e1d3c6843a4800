#include "tests/reference_model/codec.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "tests/reference_model/transformer.h"

namespace shoal::reference {
namespace {

std::string At(const std::string& name, int64_t index) {
  return name + "." + std::to_string(index);
}

// w = g * v / ||v||, the norm over everything but the first axis.
Array FoldWeightNorm(const Array& g, const Array& v) {
  Array weight = v;
  for (int64_t i = 0; i < v.size(0); ++i) {
    double squares = 0;
    for (int64_t j = 0; j < v.RowSize(); ++j) squares += v.row(i)[j] * v.row(i)[j];
    for (int64_t j = 0; j < v.RowSize(); ++j) {
      weight.row(i)[j] = g.data[i] * v.row(i)[j] / std::sqrt(squares);
    }
  }
  return weight;
}

}  // namespace

Codec::Codec(const std::string& directory, Tap tap)
    : config_(ValueOrThrow(checkpoint::LoadCodecConfig(directory))),
      store_(ValueOrThrow(checkpoint::TensorStore::Open(directory, "codec"))),
      tap_(std::move(tap)) {}

Array Codec::Report(const std::string& stage, Array output) const {
  if (tap_) tap_(stage, output);
  return output;
}

Array Codec::LoadConvWeight(const std::string& name, std::vector<int64_t> shape) const {
  if (store_.Has(name + ".weight")) return Load(store_, name + ".weight", shape);
  const bool new_style = store_.Has(name + ".parametrizations.weight.original0");
  const std::string g = new_style ? ".parametrizations.weight.original0" : ".weight_g";
  const std::string v = new_style ? ".parametrizations.weight.original1" : ".weight_v";
  return FoldWeightNorm(Load(store_, name + g, {shape[0], 1, 1}), Load(store_, name + v, shape));
}

Array Codec::Conv(const std::string& name, const Array& x, int64_t out, int64_t kernel,
                  int64_t dilation, int64_t stride, int64_t groups) const {
  const int64_t in = x.size(0) / groups;
  const Array weight = LoadConvWeight(name, {out, in, kernel});
  const Array bias = Load(store_, name + ".bias", {out});
  const int64_t span = (kernel - 1) * dilation + 1;
  const int64_t left = span - stride;
  Array y({out, (x.size(1) + stride - 1) / stride});
  for (int64_t o = 0; o < out; ++o) {
    const int64_t first_input = o / (out / groups) * in;
    for (int64_t t = 0; t < y.size(1); ++t) {
      double sum = bias.data[o];
      for (int64_t k = 0; k < kernel; ++k) {
        const int64_t source = t * stride + k * dilation - left;
        if (source < 0 || source >= x.size(1)) continue;
        for (int64_t i = 0; i < in; ++i) {
          sum += weight.row(o)[i * kernel + k] * x.row(first_input + i)[source];
        }
      }
      y.row(o)[t] = sum;
    }
  }
  return y;
}

Array Codec::TransposedConv(const std::string& name, const Array& x, int64_t out, int64_t kernel,
                            int64_t stride) const {
  const int64_t in = x.size(0);
  const Array weight = LoadConvWeight(name, {in, out, kernel});
  const Array bias = Load(store_, name + ".bias", {out});
  Array y({out, x.size(1) * stride});  // the last kernel - stride samples are cut off
  for (int64_t o = 0; o < out; ++o) {
    std::fill(y.row(o), y.row(o) + y.size(1), bias.data[o]);
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t t = 0; t < x.size(1); ++t) {
        for (int64_t k = 0; k < kernel && t * stride + k < y.size(1); ++k) {
          y.row(o)[t * stride + k] += x.row(i)[t] * weight.row(i)[o * kernel + k];
        }
      }
    }
  }
  return y;
}

Array Codec::Snake(const std::string& name, const Array& x) const {
  const Array alpha = Load(store_, name + ".alpha", {1, x.size(0), 1});
  Array y = x;
  for (int64_t c = 0; c < x.size(0); ++c) {
    for (int64_t t = 0; t < x.size(1); ++t) {
      const double sine = std::sin(alpha.data[c] * x.row(c)[t]);
      y.row(c)[t] += sine * sine / (alpha.data[c] + 1e-9);
    }
  }
  return y;
}

Array Codec::ResidualUnit(const std::string& name, const Array& x, int64_t dilation) const {
  Array y = Snake(name + ".block.0", x);
  y = Conv(name + ".block.1.conv", y, x.size(0), 7, dilation, 1, 1);
  y = Snake(name + ".block.2", y);
  y = Conv(name + ".block.3.conv", y, x.size(0), 1, 1, 1, 1);
  AddInPlace(y, x);
  return y;
}

Array Codec::ConvNext(const std::string& name, const Array& x) const {
  const int64_t channels = x.size(0);
  const Array gain = Load(store_, name + ".norm.weight", {channels});
  const Array offset = Load(store_, name + ".norm.bias", {channels});
  Array y = Transposed(Conv(name + ".dwconv.conv", x, channels, 7, 1, 1, channels));
  for (int64_t t = 0; t < y.size(0); ++t) {
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < channels; ++c) mean += y.row(t)[c] / channels;
    for (int64_t c = 0; c < channels; ++c) {
      variance += (y.row(t)[c] - mean) * (y.row(t)[c] - mean) / channels;
    }
    for (int64_t c = 0; c < channels; ++c) {
      y.row(t)[c] =
          (y.row(t)[c] - mean) / std::sqrt(variance + 1e-6) * gain.data[c] + offset.data[c];
    }
  }
  const int64_t wide = 4 * channels;
  y = MatMulTransposed(y, Load(store_, name + ".pwconv1.weight", {wide, channels}),
                       Load(store_, name + ".pwconv1.bias", {wide}));
  for (double& v : y.data) v *= 0.5 * (1 + std::erf(v / std::sqrt(2.0)));
  y = MatMulTransposed(y, Load(store_, name + ".pwconv2.weight", {channels, wide}),
                       Load(store_, name + ".pwconv2.bias", {channels}));
  const Array gamma = Load(store_, name + ".gamma", {channels});
  for (int64_t t = 0; t < y.size(0); ++t) {
    for (int64_t c = 0; c < channels; ++c) y.row(t)[c] *= gamma.data[c];
  }
  y = Transposed(y);
  AddInPlace(y, x);
  return y;
}

Array Codec::Transformer(const std::string& name, const checkpoint::CodecTransformerConfig& config,
                         const Array& x) const {
  const int64_t latent = x.size(0);
  Array y = Transposed(x);
  if (config.dim != latent) {
    y = MatMulTransposed(y, Load(store_, name + ".input_proj.weight", {config.dim, latent}),
                         Load(store_, name + ".input_proj.bias", {config.dim}));
  }
  for (int64_t i = 0; i < config.n_layer; ++i) {
    y = Forward(LoadBlock(store_, At(name + ".layers", i), ShapeOf(config)), y);
  }
  y = RmsNorm(y, Load(store_, name + ".norm.weight", {config.dim}), config.norm_eps);
  if (config.dim != latent) {
    y = MatMulTransposed(y, Load(store_, name + ".output_proj.weight", {latent, config.dim}),
                         Load(store_, name + ".output_proj.bias", {latent}));
  }
  return Transposed(y);
}

Array Codec::Encoder(const Array& x) const {
  int64_t channels = config_.encoder_dim;
  Array y = Report("encoder.block.0", Conv("encoder.block.0.conv", x, channels, 7, 1, 1, 1));
  int64_t index = 1;
  for (const int64_t rate : config_.encoder_rates) {
    const std::string block = At("encoder.block", index);
    y = ResidualUnit(block + ".block.0", y, 1);
    y = ResidualUnit(block + ".block.1", y, 3);
    y = ResidualUnit(block + ".block.2", y, 9);
    y = Snake(block + ".block.3", y);
    channels *= 2;
    y = Conv(block + ".block.4.conv", y, channels, 2 * rate, 1, rate, 1);
    if (config_.encoder_transformer && config_.encoder_transformer->block == index) {
      y = Transformer(block + ".block.5", config_.encoder_transformer->transformer, y);
    }
    y = Report(block, y);
    ++index;
  }
  y = Report(At("encoder.block", index), Snake(At("encoder.block", index), y));
  const std::string last = At("encoder.block", index + 1);
  return Report(last, Conv(last + ".conv", y, config_.latent_dim, 3, 1, 1, 1));
}

Array Codec::Decoder(const Array& x) const {
  int64_t channels = config_.decoder_dim;
  Array y = Report("decoder.model.0", Conv("decoder.model.0.conv", x, channels, 7, 1, 1, 1));
  int64_t index = 1;
  for (const int64_t rate : config_.decoder_rates) {
    const std::string block = At("decoder.model", index);
    y = Snake(block + ".block.0", y);
    channels /= 2;
    y = TransposedConv(block + ".block.1.conv", y, channels, 2 * rate, rate);
    y = ResidualUnit(block + ".block.2", y, 1);
    y = ResidualUnit(block + ".block.3", y, 3);
    y = Report(block, ResidualUnit(block + ".block.4", y, 9));
    ++index;
  }
  y = Report(At("decoder.model", index), Snake(At("decoder.model", index), y));
  const std::string last = At("decoder.model", index + 1);
  y = Report(last, Conv(last + ".conv", y, 1, 7, 1, 1, 1));
  for (double& sample : y.data) sample = std::tanh(sample);
  return Report(At("decoder.model", index + 2), y);
}

std::string Codec::QuantizerName(int64_t codebook) const {
  return codebook == 0 ? "quantizer.semantic_quantizer.quantizers.0"
                       : At("quantizer.quantizer.quantizers", codebook - 1);
}

int64_t Codec::Entries(int64_t codebook) const {
  return codebook == 0 ? config_.quantizer.semantic_codebook_size
                       : config_.quantizer.residual_codebook_size;
}

Array Codec::Projection(const std::string& name, const Array& x, int64_t out) const {
  Array weight = LoadConvWeight(name, {out, x.size(1), 1});
  weight.shape = {out, x.size(1)};
  return MatMulTransposed(x, weight, Load(store_, name + ".bias", {out}));
}

// latent (frames, width) -> the entry with the largest cosine.
Codec::Nearest Codec::NearestEntries(const std::string& name, const Array& latent,
                                     int64_t entries) const {
  const int64_t width = config_.quantizer.codebook_dim;
  const Array codebook = Load(store_, name + ".codebook.weight", {entries, width});
  Nearest nearest;
  for (int64_t n = 0; n < latent.size(0); ++n) {
    int64_t best = 0;
    double best_cosine = -2, second_cosine = -2;
    for (int64_t e = 0; e < entries; ++e) {
      double dot = 0, squares = 0, own = 0;
      for (int64_t i = 0; i < width; ++i) {
        dot += latent.row(n)[i] * codebook.row(e)[i];
        squares += codebook.row(e)[i] * codebook.row(e)[i];
        own += latent.row(n)[i] * latent.row(n)[i];
      }
      const double cosine = dot / std::sqrt(squares) / std::sqrt(own);
      if (cosine > best_cosine) {
        second_cosine = best_cosine;
        best_cosine = cosine;
        best = e;
      } else {
        second_cosine = std::max(second_cosine, cosine);
      }
    }
    nearest.entries.push_back(best);
    nearest.margins.push_back(2 * (best_cosine - second_cosine));  // of unit vectors
  }
  return nearest;
}

// -> (frames, channels)
Array Codec::LookUp(const std::string& name, const std::vector<int64_t>& indices,
                    int64_t entries) const {
  const int64_t width = config_.quantizer.codebook_dim;
  const Array codebook = Load(store_, name + ".codebook.weight", {entries, width});
  Array x({static_cast<int64_t>(indices.size()), width});
  for (size_t n = 0; n < indices.size(); ++n) {
    std::copy_n(codebook.row(std::clamp<int64_t>(indices[n], 0, entries - 1)), width, x.row(n));
  }
  return Projection(name + ".out_proj", x, config_.quantizer.input_dim);
}

std::vector<std::vector<int64_t>> Codec::Encode(const std::vector<float>& samples,
                                                std::vector<std::vector<double>>* margins) const {
  const int64_t frame_length = config_.frame_length;
  const int64_t frames = (samples.size() + frame_length - 1) / frame_length;
  Array x({1, frames * frame_length});
  std::copy(samples.begin(), samples.end(), x.data.begin());
  Array z = Encoder(x);
  for (size_t i = 0; i < config_.quantizer.downsample_factor.size(); ++i) {
    const std::string name = At("quantizer.downsample", i);
    const int64_t factor = config_.quantizer.downsample_factor[i];
    z = Conv(name + ".0.conv", z, z.size(0), factor, 1, factor, 1);
    z = Report(At("downsample", i), ConvNext(name + ".1", z));
  }
  z = Transformer("quantizer.pre_module", config_.quantizer_transformer, z);
  z = Transposed(Report("pre_module", z));
  std::vector<std::vector<int64_t>> codes(frames);
  Array latents({0, frames}), residual({frames, z.size(1)});
  for (int64_t k = 0; k < config_.num_codebooks(); ++k) {
    const Array latent =
        Projection(QuantizerName(k) + ".in_proj", z, config_.quantizer.codebook_dim);
    const Nearest nearest = NearestEntries(QuantizerName(k), latent, Entries(k));
    const Array quantised = LookUp(QuantizerName(k), nearest.entries, Entries(k));
    for (size_t i = 0; i < z.data.size(); ++i) z.data[i] -= quantised.data[i];
    for (int64_t n = 0; n < frames; ++n) codes[n].push_back(nearest.entries[n]);
    if (margins != nullptr) margins->push_back(nearest.margins);
    if (k == 0) {
      Report("semantic_z", Transposed(quantised));
      continue;
    }
    AddInPlace(residual, quantised);
    const Array rows = Transposed(latent);
    latents.data.insert(latents.data.end(), rows.data.begin(), rows.data.end());
    latents.shape[0] += rows.size(0);
  }
  Report("residual_z", Transposed(residual));
  if (latents.size(0) > 0) Report("residual_latents", latents);
  return codes;
}

std::vector<float> Codec::Decode(const std::vector<std::vector<int64_t>>& codes) const {
  Array z({static_cast<int64_t>(codes.size()), config_.quantizer.input_dim});
  for (int64_t k = 0; k < config_.num_codebooks(); ++k) {
    std::vector<int64_t> indices;
    for (const auto& frame : codes) indices.push_back(frame.at(k));
    AddInPlace(z, LookUp(QuantizerName(k), indices, Entries(k)));
  }
  z = Report("decode.quantised", Transposed(z));
  z = Report("decode.post_module",
             Transformer("quantizer.post_module", config_.quantizer_transformer, z));
  const auto& factors = config_.quantizer.downsample_factor;
  for (size_t i = 0; i < factors.size(); ++i) {
    const std::string name = At("quantizer.upsample", i);
    const int64_t factor = factors[factors.size() - 1 - i];
    z = TransposedConv(name + ".0.conv", z, z.size(0), factor, factor);
    z = Report(At("decode.upsample", i), ConvNext(name + ".1", z));
  }
  const Array samples = Decoder(z);
  return {samples.data.begin(), samples.data.end()};
}

}  // namespace shoal::reference
