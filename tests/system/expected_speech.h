// What the server has to say to a request, computed by the reference model in one thread and one
// shot: no stages, no batch, no cache, no streaming.

#ifndef SHOAL_TESTS_SYSTEM_EXPECTED_SPEECH_H_
#define SHOAL_TESTS_SYSTEM_EXPECTED_SPEECH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "shoal/tts/v1/tts.pb.h"

namespace shoal::testing {

struct ExpectedSpeech {
  std::vector<uint32_t> frames;  // of each turn
  std::vector<float> samples;    // of all turns, at the codec's rate
};

// `config` must set max_frames and seed, and may carry recordings at the codec's rate (16 bit WAV).
ExpectedSpeech ExpectSpeech(const std::string& checkpoint, const tts::v1::SynthesisConfig& config,
                            const std::string& text);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SYSTEM_EXPECTED_SPEECH_H_
