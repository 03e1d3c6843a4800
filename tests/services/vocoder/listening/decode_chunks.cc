// Decodes codes at once, in chunks as a listener would get them, and in chunks without carried
// state, for compare_chunks.py.
//
//   decode_chunks CHECKPOINT CODES PREFIX
//
// CODES: (frames, num_codebooks) int32, raw. Writes PREFIX.once, PREFIX.chunked and PREFIX.fresh,
// raw float32, and prints the chunks' first frames, then the frame at which the stream was lost and
// went on in another slot by replay.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "common/checkpoint/checkpoint.h"
#include "services/vocoder/dac_frame_decoder.h"
#include "services/vocoder/decode_loop.h"
#include "tests/bench/figures.h"

namespace shoal::vocoder {
namespace {

using bench::Must;
using Clock = DecodeLoop::Clock;

class Ears final : public DecodeSink {
 public:
  absl::Status OnAudio(const StreamKey&, const StreamOwner&, const DecodedRun& decoded) override {
    if (!decoded.run.frames.empty()) chunks.push_back(decoded.run.first);
    pcm.insert(pcm.end(), decoded.pcm.begin(), decoded.pcm.end());
    return absl::OkStatus();
  }
  void OnFailed(const StreamKey&, const StreamOwner&, const absl::Status& why) override {
    std::fprintf(stderr, "%s\n", why.ToString().c_str());
    std::exit(1);
  }
  std::vector<uint32_t> chunks;
  std::vector<float> pcm;
};

std::vector<float> Decode(DacFrameDecoder& decoder, int slot, const std::vector<FrameCodes>& frames,
                          size_t first, size_t end) {
  std::vector<int32_t> codes;
  for (size_t i = first; i < end; ++i) {
    codes.insert(codes.end(), frames[i].begin(), frames[i].end());
  }
  return Must(decoder.Decode({slot}, static_cast<int>(end - first), codes))[0].pcm;
}

// Frames come at twice the speed at which they are played; after two thirds the stream is lost.
uint32_t DecodeForAListener(DacFrameDecoder& decoder, const std::vector<FrameCodes>& frames,
                            Ears& ears) {
  Clock::time_point now{};
  DecodeLoop::Options options;
  options.clock = [&now] { return now; };
  DecodeLoop loop(options, &decoder, &ears);
  const auto arrives_every = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(0.5 * decoder.frame_length() / decoder.sample_rate()));
  StreamKey key = {0, 1};
  if (!loop.Open(key, {}).ok()) std::exit(1);
  const auto run = [&] {
    while (loop.TimeUntilWork() == Clock::duration::zero()) loop.Step();
  };
  const auto total = static_cast<uint32_t>(frames.size());
  uint32_t lost = 0;
  for (uint32_t i = 0; i < total; ++i, now += arrives_every) {
    const auto position =
        static_cast<uint32_t>(ears.pcm.size() / static_cast<size_t>(decoder.frame_length()));
    if (lost == 0 && i >= total * 2 / 3 && position > 0) {
      lost = position;
      StreamStart start = {.frame = position, .position = position};
      for (uint32_t j = position - std::min<uint32_t>(position, decoder.replay_frames());
           j < position; ++j) {
        start.codes.insert(start.codes.end(), frames[j].begin(), frames[j].end());
      }
      loop.Close(key);
      key.low = 2;
      if (!loop.Open(key, {}, start).ok()) std::exit(1);
      for (uint32_t j = position; j < i; ++j) loop.Push(key, {.first = j, .frames = {frames[j]}});
    }
    loop.Push(key, {.first = i, .frames = {frames[i]}, .last = i + 1 == total});
    run();
  }
  run();
  return lost;
}

void Write(const std::string& path, const std::vector<float>& samples) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(samples.data()),
             static_cast<std::streamsize>(samples.size() * sizeof(float)));
}

int Main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "decode_chunks CHECKPOINT CODES PREFIX\n");
    return 2;
  }
  at::set_num_threads(1);
  const auto checkpoint =
      Must(checkpoint::Checkpoint::Open(argv[1], {.transformer = false, .codec = true}));
  const auto decoder =
      Must(DacFrameDecoder::Load(checkpoint, {.num_slots = 2, .mode = model::ProductMode::kFast}));
  std::ifstream file(argv[2], std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto* codes = reinterpret_cast<const int32_t*>(bytes.data());
  const size_t codebooks = decoder->num_codebooks();
  std::vector<FrameCodes> frames;
  for (size_t i = 0; i < bytes.size() / sizeof(int32_t) / codebooks; ++i, codes += codebooks) {
    frames.emplace_back(codes, codes + codebooks);
  }
  const std::string prefix = argv[3];
  Write(prefix + ".once", Decode(*decoder, 0, frames, 0, frames.size()));
  Ears ears;
  const uint32_t lost = DecodeForAListener(*decoder, frames, ears);
  Write(prefix + ".chunked", ears.pcm);
  std::vector<float> fresh;
  for (size_t i = 0; i < ears.chunks.size(); ++i) {
    const size_t end = i + 1 < ears.chunks.size() ? ears.chunks[i + 1] : frames.size();
    decoder->Seek(0, 0);
    const std::vector<float> pcm = Decode(*decoder, 0, frames, ears.chunks[i], end);
    fresh.insert(fresh.end(), pcm.begin(), pcm.end());
    std::printf("%u ", ears.chunks[i]);
  }
  Write(prefix + ".fresh", fresh);
  std::printf("\n%u\n%d %d\n", lost, decoder->sample_rate(), decoder->frame_length());
  return 0;
}

}  // namespace
}  // namespace shoal::vocoder

int main(int argc, char** argv) { return shoal::vocoder::Main(argc, argv); }
