#include "services/vocoder/decode_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::vocoder {

DecodeLoop::DecodeLoop(const Options& options, FrameDecoder* decoder, DecodeSink* sink)
    : options_(options), decoder_(decoder), sink_(sink), slots_(decoder->num_slots()) {}

absl::Status DecodeLoop::Open(const StreamKey& stream, const StreamOwner& owner) {
  if (streams_.contains(stream)) {
    return absl::AlreadyExistsError("submit.stream: this stream is already being decoded");
  }
  std::optional<SlotPool::Slot> slot = slots_.Take();
  if (!slot.has_value()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", slots_.total(), " streams of the vocoder are taken (--slots)"));
  }
  decoder_->Reset(slot->index());
  streams_.try_emplace(stream, Stream{.owner = owner,
                                      .slot = *std::move(slot),
                                      .frames = FrameQueue(options_.max_queued_frames)});
  return absl::OkStatus();
}

const StreamOwner* DecodeLoop::Find(const StreamKey& stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second.owner;
}

int DecodeLoop::Push(const StreamKey& stream, FrameQueue::Arrival arrival, Clock::time_point now) {
  const auto place = streams_.find(stream);
  const absl::StatusOr<int> dropped = place->second.frames.Add(std::move(arrival), now);
  if (dropped.ok()) return *dropped;
  Fail(place, dropped.status());
  return 0;
}

void DecodeLoop::Close(const StreamKey& stream) { streams_.erase(stream); }

std::vector<StreamKey> DecodeLoop::CloseAll(absl::FunctionRef<bool(const StreamOwner&)> which) {
  std::vector<StreamKey> closed;
  for (const auto& [key, stream] : streams_) {
    if (which(stream.owner)) closed.push_back(key);
  }
  for (const StreamKey& key : closed) streams_.erase(key);
  return closed;
}

void DecodeLoop::FailAll(absl::FunctionRef<bool(const StreamOwner&)> which,
                         const absl::Status& why) {
  for (auto place = streams_.begin(); place != streams_.end();) {
    const auto current = place++;
    if (which(current->second.owner)) Fail(current, why);
  }
}

DecodeLoop::StepReport DecodeLoop::Step(Clock::time_point now) {
  FailGaps(now);
  EmitBareEnds();
  StepReport report;
  int frames = 0;
  const std::vector<Place> batch = Choose(&frames);
  if (batch.empty()) return report;

  std::vector<int> slots;
  std::vector<int32_t> codes;
  std::vector<FrameQueue::Run> runs;
  for (const Place place : batch) {
    slots.push_back(place->second.slot.index());
    runs.push_back(place->second.frames.Take(frames));
    for (const FrameCodes& frame : runs.back().frames) {
      codes.insert(codes.end(), frame.begin(), frame.end());
    }
  }
  const Clock::time_point begin = Clock::now();
  absl::StatusOr<std::vector<DecodedFrames>> decoded = decoder_->Decode(slots, frames, codes);
  const Clock::time_point end = Clock::now();
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!decoded.ok()) {
      Fail(batch[i], decoded.status());
      continue;
    }
    report.clamped += (*decoded)[i].clamped;
    Emit(batch[i], std::move(runs[i]), std::move((*decoded)[i]));
  }
  report.streams = static_cast<int>(batch.size());
  report.frames = report.streams * frames;
  report.decode = end - begin;
  report.emit = Clock::now() - end;
  return report;
}

void DecodeLoop::FailGaps(Clock::time_point now) {
  for (auto place = streams_.begin(); place != streams_.end();) {
    const auto current = place++;
    const FrameQueue& frames = current->second.frames;
    if (!frames.gap_since().has_value() || now - *frames.gap_since() < options_.gap_limit) continue;
    Fail(current, absl::DataLossError(absl::StrCat("frame ", frames.missing_frame(), " of turn ",
                                                   frames.turn(), " never arrived")));
  }
}

// A turn whose frames are all decoded when its end arrives, or that has none.
void DecodeLoop::EmitBareEnds() {
  for (auto place = streams_.begin(); place != streams_.end();) {
    const auto current = place++;
    if (current->second.frames.at_end()) Emit(current, current->second.frames.Take(0), {});
  }
}

int DecodeLoop::WantedFrames(const Stream& stream) const {
  if (stream.samples == 0) return 1;
  int frames = options_.max_frames_per_step;
  while (frames > stream.frames.ready()) frames /= 2;
  return frames;
}

// The batch takes as many frames a stream as the stream that wants fewest, so nobody waits for
// another's longer run; those that want more have their turn again at once.
std::vector<DecodeLoop::Place> DecodeLoop::Choose(int* frames) {
  std::vector<Place> batch;
  auto place = streams_.upper_bound(last_served_);
  *frames = options_.max_frames_per_step;
  for (size_t seen = 0; seen < streams_.size(); ++seen, ++place) {
    if (place == streams_.end()) place = streams_.begin();
    if (static_cast<int>(batch.size()) == options_.max_batch) break;
    if (place->second.frames.ready() == 0) continue;
    batch.push_back(place);
    *frames = std::min(*frames, WantedFrames(place->second));
  }
  if (!batch.empty()) last_served_ = batch.back()->first;
  return batch;
}

void DecodeLoop::Emit(Place place, FrameQueue::Run run, DecodedFrames decoded) {
  if (!decoded.finite) {
    return Fail(place,
                absl::InternalError(absl::StrCat("frame ", run.first, " of turn ", run.turn,
                                                 " decodes to samples that are not finite")));
  }
  Stream& stream = place->second;
  const DecodedRun audio = {
      .run = std::move(run), .pcm = std::move(decoded.pcm), .first_sample = stream.samples};
  stream.samples += audio.pcm.size();
  if (absl::Status sent = sink_->OnAudio(place->first, stream.owner, audio); !sent.ok()) {
    Fail(place, sent);
  }
}

void DecodeLoop::Fail(Place place, const absl::Status& why) {
  sink_->OnFailed(place->first, place->second.owner, why);
  streams_.erase(place);
}

bool DecodeLoop::idle() const {
  return std::none_of(streams_.begin(), streams_.end(),
                      [this](const auto& entry) { return Ready(entry.second); });
}

bool DecodeLoop::has_gaps() const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [](const auto& entry) { return entry.second.frames.gap_since().has_value(); });
}

}  // namespace shoal::vocoder
