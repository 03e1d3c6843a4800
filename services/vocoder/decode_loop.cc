#include "services/vocoder/decode_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::vocoder {

DecodeLoop::DecodeLoop(const Options& options, FrameDecoder* decoder, DecodeSink* sink)
    : options_(options),
      decoder_(decoder),
      sink_(sink),
      frame_(static_cast<double>(decoder->frame_length()) / decoder->sample_rate()),
      schedule_(options.schedule, frame_),
      slots_(decoder->num_slots()) {}

absl::Status DecodeLoop::Open(const StreamKey& key, const StreamOwner& owner,
                              const StreamStart& start) {
  if (streams_.contains(key)) {
    return absl::AlreadyExistsError("submit.stream: this stream is already being decoded");
  }
  std::optional<SlotPool::Slot> slot = slots_.Take();
  if (!slot.has_value()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", slots_.total(), " streams of the vocoder are taken (--slots)"));
  }
  const DecodeStream::Limits limits = {.num_codebooks = decoder_->num_codebooks(),
                                       .replay_frames = decoder_->replay_frames(),
                                       .queued_frames = options_.max_queued_frames,
                                       .rollback_frames = options_.rollback_frames,
                                       .frame = frame_};
  Entry entry = {DecodeStream(limits, owner, *std::move(slot), start), ++epochs_};
  decoder_->Seek(entry.stream.slot(), entry.stream.state_position());
  streams_.try_emplace(key, std::move(entry));
  return absl::OkStatus();
}

const StreamOwner* DecodeLoop::Find(const StreamKey& key) const {
  const auto found = streams_.find(key);
  return found == streams_.end() ? nullptr : &found->second.stream.owner();
}

int DecodeLoop::Push(const StreamKey& key, FrameQueue::Arrival arrival) {
  const Place place = streams_.find(key);
  const absl::StatusOr<int> dropped =
      place->second.stream.Add(std::move(arrival), options_.clock());
  if (dropped.ok()) return *dropped;
  Fail(place, dropped.status());
  return 0;
}

bool DecodeLoop::PushAhead(const StreamKey& key, uint32_t attempt, FrameQueue::Arrival arrival) {
  return streams_.find(key)->second.stream.AddAhead(attempt, std::move(arrival));
}

bool DecodeLoop::Hear(const StreamKey& key, const ListenerNews& news) {
  return streams_.find(key)->second.stream.Hear(news, options_.clock());
}

bool DecodeLoop::Resume(const StreamKey& key, uint32_t turn, uint32_t attempt, uint32_t cut) {
  const Place place = streams_.find(key);
  DecodeStream& stream = place->second.stream;
  const absl::StatusOr<bool> rebuild = stream.Resume(turn, attempt, cut, options_.clock());
  if (!rebuild.ok()) {
    Fail(place, rebuild.status());
    return false;
  }
  place->second.epoch = ++epochs_;
  if (*rebuild) decoder_->Seek(stream.slot(), stream.state_position());
  return *rebuild;
}

void DecodeLoop::Close(const StreamKey& key) { streams_.erase(key); }

std::vector<StreamKey> DecodeLoop::CloseAll(absl::FunctionRef<bool(const StreamOwner&)> which) {
  std::vector<StreamKey> closed;
  for (const auto& [key, entry] : streams_) {
    if (which(entry.stream.owner())) closed.push_back(key);
  }
  for (const StreamKey& key : closed) streams_.erase(key);
  return closed;
}

void DecodeLoop::FailAll(absl::FunctionRef<bool(const StreamOwner&)> which,
                         const absl::Status& why) {
  for (auto place = streams_.begin(); place != streams_.end();) {
    const auto current = place++;
    if (which(current->second.stream.owner())) Fail(current, why);
  }
}

DecodeLoop::StepReport DecodeLoop::Step(absl::FunctionRef<void()> receive) {
  const Clock::time_point now = options_.clock();
  FailBroken(now);
  EmitBareEnds();
  StepReport report;
  const std::vector<Planned> plan = Plan(now);
  for (size_t first = 0, end = 0; first < plan.size(); first = end) {
    while (end < plan.size() && plan[end].frames == plan[first].frames) ++end;
    DecodeBatch(absl::MakeSpan(plan).subspan(first, end - first), receive, report);
  }
  ReplayPiece(report);
  return report;
}

DecodeLoop::Place DecodeLoop::FindSame(const StreamKey& key, uint64_t epoch) {
  const Place place = streams_.find(key);
  return place == streams_.end() || place->second.epoch != epoch ? streams_.end() : place;
}

void DecodeLoop::FailBroken(Clock::time_point now) {
  for (auto place = streams_.begin(); place != streams_.end();) {
    const auto current = place++;
    const DecodeStream& stream = current->second.stream;
    const FrameQueue& frames = stream.frames();
    if (frames.gap_since().has_value() && now - *frames.gap_since() >= options_.gap_limit) {
      Fail(current, absl::DataLossError(absl::StrCat("frame ", frames.missing_frame(), " of turn ",
                                                     frames.turn(), " never arrived")));
    } else if (stream.position() + frames.ready() > options_.max_stream_frames) {
      Fail(current, absl::OutOfRangeError(absl::StrCat("the stream has more than ",
                                                       options_.max_stream_frames,
                                                       " frames (--max-stream-frames)")));
    }
  }
}

// A turn whose frames are all decoded when its end arrives, or that has none.
void DecodeLoop::EmitBareEnds() {
  for (auto place = streams_.begin(); place != streams_.end();) {
    auto& [key, entry] = *place++;  // Emit may erase it
    if (!entry.stream.frames().at_end()) continue;
    const uint64_t position = entry.stream.position();
    Emit({.key = key, .epoch = entry.epoch, .run = entry.stream.Take(0), .position = position}, {});
  }
}

std::vector<DecodeLoop::Planned> DecodeLoop::Plan(Clock::time_point now) const {
  std::vector<ChunkSchedule::Candidate> candidates;
  std::vector<Planned> planned;
  for (const auto& [key, entry] : streams_) {
    candidates.push_back(entry.stream.Candidate(now));
    planned.push_back({key, entry.epoch, 0});
  }
  std::vector<Planned> plan;
  for (const ChunkSchedule::Chunk& chunk : schedule_.Choose(candidates)) {
    plan.push_back(planned[chunk.candidate]);
    plan.back().frames = chunk.frames;
  }
  return plan;
}

void DecodeLoop::DecodeBatch(absl::Span<const Planned> batch, absl::FunctionRef<void()> receive,
                             StepReport& report) {
  std::vector<Taken> taken;
  std::vector<int> slots;
  std::vector<int32_t> codes;
  for (const Planned& planned : batch) {
    const Place place = FindSame(planned.key, planned.epoch);
    if (place == streams_.end()) continue;  // gone since the step was planned
    DecodeStream& stream = place->second.stream;
    const uint64_t position = stream.position();
    slots.push_back(stream.slot());
    taken.push_back({planned.key, planned.epoch, stream.Take(planned.frames), position});
    for (const FrameCodes& frame : taken.back().run.frames) {
      codes.insert(codes.end(), frame.begin(), frame.end());
    }
  }
  if (taken.empty()) return;
  const int frames = batch[0].frames;
  const Clock::time_point begin = options_.clock();
  absl::StatusOr<std::vector<DecodedFrames>> decoded = decoder_->Decode(slots, frames, codes);
  const Clock::time_point end = options_.clock();
  receive();
  for (size_t i = 0; i < taken.size(); ++i) {
    if (decoded.ok()) {
      report.clamped += (*decoded)[i].clamped;
      Emit(std::move(taken[i]), std::move((*decoded)[i]));
    } else if (const Place place = FindSame(taken[i].key, taken[i].epoch);
               place != streams_.end()) {
      Fail(place, decoded.status());
    }
  }
  report.batches.push_back({.streams = static_cast<int>(taken.size()), .frames = frames});
  report.decode += end - begin;
  report.emit += options_.clock() - end;
}

void DecodeLoop::Emit(Taken taken, DecodedFrames decoded) {
  const Place place = FindSame(taken.key, taken.epoch);
  if (place == streams_.end()) return;  // closed or resumed meanwhile
  if (!decoded.finite) {
    return Fail(place, absl::InternalError(
                           absl::StrCat("frame ", taken.run.first, " of turn ", taken.run.turn,
                                        " decodes to samples that are not finite")));
  }
  const DecodedRun audio = {.run = std::move(taken.run),
                            .pcm = std::move(decoded.pcm),
                            .first_sample = taken.position * decoder_->frame_length()};
  DecodeStream& stream = place->second.stream;
  if (absl::Status sent = sink_->OnAudio(place->first, stream.owner(), audio); !sent.ok()) {
    return Fail(place, sent);
  }
  stream.Sent(audio.run, ++chunks_, options_.clock());
}

// One stream a step, so that streams that play are not held up by those that come back.
void DecodeLoop::ReplayPiece(StepReport& report) {
  const auto place = std::find_if(streams_.begin(), streams_.end(), [](const auto& entry) {
    return entry.second.stream.rebuilding();
  });
  if (place == streams_.end()) return;
  DecodeStream& stream = place->second.stream;
  const DecodeStream::Piece piece = stream.TakeReplay(options_.replay_frames_per_step);
  report.replayed = static_cast<int>(piece.codes.size()) / decoder_->num_codebooks();
  const absl::Status status = decoder_->Replay(stream.slot(), piece.codes, piece.to_follow);
  if (!status.ok()) Fail(place, status);
}

void DecodeLoop::Fail(Place place, const absl::Status& why) {
  sink_->OnFailed(place->first, place->second.stream.owner(), why);
  streams_.erase(place);
}

std::optional<DecodeLoop::Clock::duration> DecodeLoop::TimeUntilWork() const {
  std::optional<Clock::duration> soonest;
  const Clock::time_point now = options_.clock();
  const auto consider = [&](Clock::duration time) {
    time = std::max(time, Clock::duration::zero());
    if (!soonest.has_value() || time < *soonest) soonest = time;
  };
  for (const auto& [key, entry] : streams_) {
    const FrameQueue& frames = entry.stream.frames();
    if (frames.at_end() || entry.stream.rebuilding()) return Clock::duration::zero();
    if (frames.gap_since().has_value()) consider(*frames.gap_since() + options_.gap_limit - now);
    const auto due = schedule_.TimeUntilDue(entry.stream.Candidate(now));
    if (due.has_value()) consider(std::chrono::ceil<Clock::duration>(*due));
  }
  return soonest;
}

int DecodeLoop::streams_at_credit() const {
  return static_cast<int>(std::count_if(streams_.begin(), streams_.end(), [](const auto& entry) {
    return entry.second.stream.at_credit();
  }));
}

}  // namespace shoal::vocoder
