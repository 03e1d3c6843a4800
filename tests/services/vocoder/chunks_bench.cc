// What steps of different frame counts cost, and a replay: `name value unit` a line.
//
//   chunks_bench THREADS CHECKPOINT
//
// Times of one thread are its own processor time, so that a busy machine does not count.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/checkpoint/checkpoint.h"
#include "services/vocoder/dac_frame_decoder.h"

namespace shoal::vocoder {
namespace {

double Now() {
  timespec time;
  clock_gettime(at::get_num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
  std::exit(1);
}

template <typename Call>
double MedianMs(const Call& call) {
  std::vector<double> times;
  for (double total = 0; times.size() < 8 || total < 1.0; total += times.back()) {
    const double begin = Now();
    call();
    times.push_back(Now() - begin);
  }
  times.erase(times.begin());  // the first call also warms up
  std::sort(times.begin(), times.end());
  return 1e3 * times[times.size() / 2];
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

int Main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "chunks_bench THREADS CHECKPOINT\n");
    return 2;
  }
  at::set_num_threads(std::atoi(argv[1]));
  const auto checkpoint =
      Must(checkpoint::Checkpoint::Open(argv[2], {.transformer = false, .codec = true}));
  for (const auto mode : {model::ProductMode::kDeterministic, model::ProductMode::kFast}) {
    const auto decoder = Must(DacFrameDecoder::Load(checkpoint, {.num_slots = 32, .mode = mode}));
    const char* name = mode == model::ProductMode::kFast ? "fast" : "deterministic";
    for (const int streams : {1, 4, 8, 16, 32}) {
      for (const int frames : {1, 2, 4, 8}) {
        if (streams * frames > 64) continue;
        std::printf("%s_%d_streams_%d_frames %.3f ms/frame\n", name, streams, frames,
                    GroupsMs(*decoder, {{streams, frames}}) / (streams * frames));
      }
    }
    // 8 streams of 1, 1, 1, 2, 2, 4, 4 and 8 frames, 23 in all. A step with different counts in one
    // batch could cost no less than one in which the same work is spread evenly.
    std::printf("%s_mixed_grouped %.3f ms\n", name,
                GroupsMs(*decoder, {{3, 1}, {2, 2}, {2, 4}, {1, 8}}));
    std::printf("%s_mixed_even %.3f ms\n", name, GroupsMs(*decoder, {{8, 3}}) * 23 / 24);
    std::printf("%s_mixed_padded %.3f ms\n", name, GroupsMs(*decoder, {{8, 8}}));
    // 32 streams: 16 of 1, 8 of 2, 4 of 4, 4 of 8.
    std::printf("%s_mixed_32_grouped %.3f ms\n", name,
                GroupsMs(*decoder, {{16, 1}, {8, 2}, {4, 4}, {2, 8}}));
    std::printf("%s_mixed_32_even %.3f ms\n", name, GroupsMs(*decoder, {{32, 2}}));
    const int replay = decoder->replay_frames();
    const std::vector<int32_t> codes(static_cast<size_t>(64 * decoder->num_codebooks()), 7);
    const double whole = MedianMs([&] {
      decoder->Seek(0, 1000);
      for (int left = replay; left > 0;) {
        const int n = std::min(64, left);
        left -= n;
        const absl::Status status = decoder->Replay(
            0, absl::MakeSpan(codes).subspan(0, n * decoder->num_codebooks()), left);
        if (!status.ok()) std::exit(1);
      }
    });
    std::printf("%s_replay_of_%d_frames %.3f ms\n", name, replay, whole);
    std::printf("%s_replay_piece_of_64 %.3f ms\n", name, MedianMs([&] {
                  decoder->Seek(0, 1000);
                  if (!decoder->Replay(0, codes, replay - 64).ok()) std::exit(1);
                }));
  }
  return 0;
}

}  // namespace
}  // namespace shoal::vocoder

int main(int argc, char** argv) { return shoal::vocoder::Main(argc, argv); }
