// What steps of different frame counts cost, and a replay: `name value unit` a line.
//
//   chunks_bench [THREADS [CHECKPOINT]]    1 thread, the golden checkpoint
//
// Times of one thread are its own processor time, so that a busy machine does not count.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "services/vocoder/dac_frame_decoder.h"
#include "tests/bench/figures.h"
#include "tests/support/golden.h"

namespace shoal::vocoder {
namespace {

using bench::Must;

double Now() { return bench::ComputeSeconds(at::get_num_threads()); }

template <typename Call>
double MedianMs(const Call& call) {
  std::vector<double> times;
  for (double total = 0; times.size() < 8 || total < 1.0; total += times.back()) {
    const double begin = Now();
    call();
    times.push_back(Now() - begin);
  }
  times.erase(times.begin());  // the first call also warms up
  return 1e3 * bench::Median(std::move(times));
}

// Streams of equal numbers of frames.
struct Group {
  int streams;
  int frames;
};

double GroupsMs(DacFrameDecoder& decoder, const std::vector<Group>& groups) {
  return MedianMs([&] {
    int slot = 0;
    for (const Group& group : groups) {
      std::vector<int> slots;
      for (int i = 0; i < group.streams; ++i) slots.push_back(slot++);
      const std::vector<int32_t> codes(
          static_cast<size_t>(group.streams * group.frames * decoder.num_codebooks()), 7);
      Must(decoder.Decode(slots, group.frames, codes));
    }
  });
}

// Steps of one frame count each.
void MeasureSizes(DacFrameDecoder& decoder) {
  for (const int streams : {1, 4, 8, 16, 32}) {
    for (const int frames : {1, 2, 4, 8}) {
      if (streams * frames > 64) continue;
      const std::string name = absl::StrCat("decode_", streams, "x", frames);
      bench::Print(name, GroupsMs(decoder, {{streams, frames}}) / (streams * frames), "ms/frame");
    }
  }
}

// Streams with different counts, decoded in groups of equal ones. A single step could cost no less
// than one in which the same work is spread evenly, and padding takes the longest of all.
void MeasureMixed(DacFrameDecoder& decoder) {
  // 1, 1, 1, 2, 2, 4, 4 and 8 frames, 23 in all.
  bench::Print("mixed_8_grouped", GroupsMs(decoder, {{3, 1}, {2, 2}, {2, 4}, {1, 8}}), "ms");
  bench::Print("mixed_8_even", GroupsMs(decoder, {{8, 3}}) * 23 / 24, "ms");
  bench::Print("mixed_8_padded", GroupsMs(decoder, {{8, 8}}), "ms");
  // 16 of 1, 8 of 2, 4 of 4 and 2 of 8 frames, 64 in all.
  bench::Print("mixed_32_grouped", GroupsMs(decoder, {{16, 1}, {8, 2}, {4, 4}, {2, 8}}), "ms");
  bench::Print("mixed_32_even", GroupsMs(decoder, {{32, 2}}), "ms");
}

// A stream that goes on in another slot, and a piece of its replay.
void MeasureReplay(DacFrameDecoder& decoder) {
  constexpr int kPiece = 64;
  const std::vector<int32_t> codes(static_cast<size_t>(kPiece * decoder.num_codebooks()), 7);
  const int replay = decoder.replay_frames();
  const auto play = [&](int frames, int left) {
    const absl::Status status =
        decoder.Replay(0, absl::MakeSpan(codes).subspan(0, frames * decoder.num_codebooks()), left);
    if (!status.ok()) bench::Fail(status);
  };
  const double whole = MedianMs([&] {
    decoder.Seek(0, 1000);
    for (int left = replay; left > 0;) {
      const int frames = std::min(kPiece, left);
      left -= frames;
      play(frames, left);
    }
  });
  bench::Print(absl::StrCat("replay_of_", replay, "_frames"), whole, "ms");
  const int piece = std::min(kPiece, replay);
  const double first = MedianMs([&] {
    decoder.Seek(0, 1000);
    play(piece, replay - piece);
  });
  bench::Print(absl::StrCat("replay_piece_of_", piece), first, "ms");
}

int Main(int argc, char** argv) {
  at::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  const checkpoint::Checkpoint checkpoint = Must(
      checkpoint::Checkpoint::Open(argc > 2 ? std::string(argv[2]) : testing::GoldenCheckpoint(),
                                   {.transformer = false, .codec = true}));
  const auto decoder = Must(DacFrameDecoder::Load(checkpoint, {.num_slots = 32}));
  MeasureSizes(*decoder);
  MeasureMixed(*decoder);
  MeasureReplay(*decoder);
  return 0;
}

}  // namespace
}  // namespace shoal::vocoder

int main(int argc, char** argv) { return shoal::vocoder::Main(argc, argv); }
