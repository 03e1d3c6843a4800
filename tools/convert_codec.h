// Turns an untrusted codec.pth into what servers read: codec.safetensors (float32), codec.json and
// the codec's entry of fingerprint.json.
//
// codec.pth says nothing of its sizes beyond its tensors' shapes. They come from a codec.json that
// is there already, else they are those of S2 Pro's codec, which stand here and nowhere else;
// either way every tensor that the sizes ask for has to be there with that shape.
#ifndef SHOAL_TOOLS_CONVERT_CODEC_H_
#define SHOAL_TOOLS_CONVERT_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/checkpoint/codec_config.h"

namespace shoal::tools {

checkpoint::CodecConfig S2ProCodec();

struct ConvertedCodec {
  std::string directory;
  std::string sizes_from;  // path of a codec.json, or "S2 Pro"
  int64_t tensors = 0;
  int64_t skipped = 0;  // entries of codec.pth that the codec does not use
};

// `directory` empty: where codec.pth stands.
absl::StatusOr<ConvertedCodec> ConvertCodec(const std::string& codec_pth, std::string directory);

}  // namespace shoal::tools

#endif  // SHOAL_TOOLS_CONVERT_CODEC_H_
