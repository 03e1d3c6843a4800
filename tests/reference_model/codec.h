// The codec in one shot over a whole waveform or a whole sequence of codes: plain convolutions over
// (channel, time), no state.

#ifndef SHOAL_TESTS_REFERENCE_MODEL_CODEC_H_
#define SHOAL_TESTS_REFERENCE_MODEL_CODEC_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/checkpoint/codec_config.h"
#include "tests/reference_model/array.h"

namespace shoal::reference {

class Codec {
 public:
  // Told of every stage's output, (channel, time), under the stage's name.
  using Tap = std::function<void(const std::string& stage, const Array& output)>;

  explicit Codec(const std::string& checkpoint_directory, Tap tap = nullptr);

  const checkpoint::CodecConfig& config() const { return config_; }

  // samples in [-1, 1] -> codes[frame][codebook], ceil(samples / frame_length) frames.
  // margins, if asked for: [codebook][frame], by how much squared distance the second nearest entry
  // lies further off.
  std::vector<std::vector<int64_t>> Encode(
      const std::vector<float>& samples, std::vector<std::vector<double>>* margins = nullptr) const;

  // codes[frame][codebook], clamped to the codebooks -> frames * frame_length samples.
  std::vector<float> Decode(const std::vector<std::vector<int64_t>>& codes) const;

 private:
  Array LoadConvWeight(const std::string& name, std::vector<int64_t> shape) const;
  Array Conv(const std::string& name, const Array& x, int64_t out, int64_t kernel, int64_t dilation,
             int64_t stride, int64_t groups) const;
  Array TransposedConv(const std::string& name, const Array& x, int64_t out, int64_t kernel,
                       int64_t stride) const;
  Array Snake(const std::string& name, const Array& x) const;
  Array ResidualUnit(const std::string& name, const Array& x, int64_t dilation) const;
  Array ConvNext(const std::string& name, const Array& x) const;
  Array Transformer(const std::string& name, const checkpoint::CodecTransformerConfig& config,
                    const Array& x) const;
  Array Encoder(const Array& x) const;
  Array Decoder(const Array& x) const;

  struct Nearest {
    std::vector<int64_t> entries;  // (frame)
    std::vector<double> margins;   // (frame)
  };
  Nearest NearestEntries(const std::string& name, const Array& latent, int64_t entries) const;
  Array LookUp(const std::string& name, const std::vector<int64_t>& indices, int64_t entries) const;
  Array Projection(const std::string& name, const Array& x, int64_t out) const;
  std::string QuantizerName(int64_t codebook) const;
  int64_t Entries(int64_t codebook) const;

  // Reports a stage's output and hands it on.
  Array Report(const std::string& stage, Array output) const;

  checkpoint::CodecConfig config_;
  checkpoint::TensorStore store_;
  Tap tap_;
};

}  // namespace shoal::reference

#endif  // SHOAL_TESTS_REFERENCE_MODEL_CODEC_H_
