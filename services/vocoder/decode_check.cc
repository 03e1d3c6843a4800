#include "services/vocoder/decode_check.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::vocoder {
namespace {

namespace v1 = pipeline::v1;

absl::Status Wrong(absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("submit.decode.", field, ": ", why));
}

absl::Status CheckReplay(const v1::Replay& replay, const DecoderSizes& sizes) {
  const v1::Tensor& codes = replay.codes();
  if (codes.shape_size() != 2 || codes.shape(1) != static_cast<uint32_t>(sizes.num_codebooks)) {
    return Wrong("replay.codes", absl::StrCat("expected (n, ", sizes.num_codebooks, ") codes"));
  }
  // The frames that are sent from here on must fit as well.
  if (replay.position() >= sizes.max_stream_frames) {
    return Wrong("replay.position", absl::StrCat("expected less than ", sizes.max_stream_frames,
                                                 ", got ", replay.position()));
  }
  if (replay.position() < replay.frame() ||
      (replay.turn() == 0 && replay.position() != replay.frame())) {
    return Wrong("replay.position", absl::StrCat("got ", replay.position(), " before frame ",
                                                 replay.frame(), " of turn ", replay.turn()));
  }
  const uint64_t needed = std::min<uint64_t>(replay.position(), sizes.replay_frames);
  if (codes.shape(0) < needed || codes.shape(0) > replay.position()) {
    return Wrong("replay.codes",
                 absl::StrCat("expected the last ", needed, " frames before position ",
                              replay.position(), ", got ", codes.shape(0)));
  }
  const uint64_t first_sample = replay.position() * sizes.frame_length;
  if (replay.first_sample() != first_sample) {
    return Wrong("replay.first_sample",
                 absl::StrCat("expected ", first_sample, " at position ", replay.position(),
                              ", got ", replay.first_sample()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StreamStart> ReadStart(const transport::Message& message,
                                      const DecoderSizes& sizes) {
  const v1::Submit& submit = message.envelope.submit();
  if (!submit.has_decode()) {
    return absl::InvalidArgumentError("submit.work: a vocoder takes decode only");
  }
  const v1::Decode& decode = submit.decode();
  StreamStart start;
  start.whole_file = submit.priority() == v1::WHOLE_FILE;
  start.max_frames_per_chunk = static_cast<int>(
      std::min<uint32_t>(decode.max_frames_per_chunk(), std::numeric_limits<int>::max()));
  if (!decode.has_replay()) return start;
  const v1::Replay& replay = decode.replay();
  if (absl::Status status = CheckReplay(replay, sizes); !status.ok()) return status;
  auto codes = transport::ReadInt32(message, replay.codes(), /*rank=*/2);
  if (!codes.ok()) return codes.status();
  start.turn = replay.turn();
  start.frame = replay.frame();
  start.position = replay.position();
  start.codes = *std::move(codes);
  return start;
}

}  // namespace shoal::vocoder
