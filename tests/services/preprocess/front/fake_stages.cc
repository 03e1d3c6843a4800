#include "tests/services/preprocess/front/fake_stages.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace shoal::testing {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

}  // namespace

std::vector<int32_t> CodesOf(uint32_t turn, uint32_t frame) {
  return {static_cast<int32_t>((turn + frame) % 4), static_cast<int32_t>(frame % 10)};
}

float LevelOf(uint32_t turn, uint32_t frame) {
  return static_cast<float>(1 + (turn * 64 + frame) % 4096) / 8192.0f;
}

void FakeStage::Start(pipeline::v1::Stage stage, pipeline::v1::Capacity capacity,
                      std::vector<std::string> dial,
                      std::function<void(uint64_t from, transport::Message)> handle) {
  transport::Channel::Options options;
  options.bind = "tcp://127.0.0.1:*";
  options.dial = std::move(dial);
  options.self.set_stage(stage);
  *options.self.mutable_capacity() = std::move(capacity);
  options.self.mutable_limits()->set_num_codebooks(kCodebooks);
  options.self.mutable_limits()->set_frame_length(kFrameLength);
  options.self.mutable_limits()->set_sample_rate_hz(kSampleRate);
  transport::Channel::Handlers handlers;
  handlers.up = [](const transport::Peer&) {};
  handlers.down = [](uint64_t, absl::string_view) {};
  handlers.message = std::move(handle);
  std::lock_guard<std::mutex> lock(mutex_);  // a message may come before channel_ is set
  absl::StatusOr<std::unique_ptr<transport::Channel>> channel =
      transport::Channel::Start(std::move(options), std::move(handlers));
  if (!channel.ok()) throw std::runtime_error(channel.status().ToString());
  channel_ = *std::move(channel);
}

void FakeStage::Kill() {
  std::unique_ptr<transport::Channel> dying;  // destroyed unlocked: it waits for its handlers
  {
    std::lock_guard<std::mutex> lock(mutex_);
    dying.swap(channel_);
  }
}

void FakeStage::NoteCancel(const StreamKey& stream) {
  if (std::find(cancelled_.begin(), cancelled_.end(), stream) == cancelled_.end()) {
    cancelled_.push_back(stream);
  }
  changed_.notify_all();
}

bool FakeStage::AwaitCancelled(size_t streams) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return cancelled_.size() >= streams; });
}

size_t FakeStage::cancelled() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return cancelled_.size();
}

void FakeStage::SendEvent(uint64_t to, const pipeline::v1::Submit& submit,
                          pipeline::v1::Event event) {
  transport::Message message;
  *event.mutable_stream() = submit.stream();
  event.set_turn(submit.turn());
  event.set_attempt(submit.attempt());
  *message.envelope.mutable_event() = std::move(event);
  channel_->Send(to, std::move(message)).IgnoreError();
}

void FakeStage::SendFailed(uint64_t to, const pipeline::v1::Submit& submit, int code,
                           const std::string& reason) {
  pipeline::v1::Event event;
  event.mutable_failed()->set_code(code);
  event.mutable_failed()->set_reason(reason);
  event.mutable_failed()->set_message("as the test asked");
  SendEvent(to, submit, std::move(event));
}

FakeVocoder::FakeVocoder(Options options) : options_(std::move(options)) {
  pipeline::v1::Capacity capacity;
  capacity.set_streams(options_.streams);
  Start(pipeline::v1::VOCODER, capacity, options_.dial,
        [this](uint64_t from, transport::Message message) { Handle(from, std::move(message)); });
}

size_t FakeVocoder::open_streams() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return streams_.size();
}

void FakeVocoder::Handle(uint64_t from, transport::Message message) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (options_.silent || channel_ == nullptr) return;
  const pipeline::v1::Envelope& envelope = message.envelope;
  if (envelope.has_submit()) {
    const pipeline::v1::Submit& submit = envelope.submit();
    if (options_.refuse) return SendFailed(from, submit, 8, "VOCODER_FULL");
    streams_[{submit.stream().high(), submit.stream().low()}].front = from;
    pipeline::v1::Event accepted;
    accepted.mutable_accepted();
    SendEvent(from, submit, std::move(accepted));
  } else if (envelope.has_frame()) {
    const auto found =
        streams_.find({envelope.frame().stream().high(), envelope.frame().stream().low()});
    if (found != streams_.end()) Speak(&found->second, message);
  } else if (envelope.has_cancel()) {
    const StreamKey key = {envelope.cancel().stream().high(), envelope.cancel().stream().low()};
    streams_.erase(key);
    NoteCancel(key);
  }
}

void FakeVocoder::Speak(Stream* stream, const transport::Message& message) {
  const pipeline::v1::Frame& frame = message.envelope.frame();
  transport::Message out;
  pipeline::v1::Audio& audio = *out.envelope.mutable_audio();
  *audio.mutable_stream() = frame.stream();
  audio.set_turn(frame.turn());
  audio.set_frame(frame.frame());
  audio.set_first_sample(stream->samples);
  audio.set_last(frame.last());
  if (frame.has_codes()) {
    const std::vector<int32_t> codes = *transport::ReadInt32(message, frame.codes(), 2);
    const auto frames = static_cast<uint32_t>(codes.size()) / kCodebooks;
    std::vector<float> pcm;
    for (uint32_t i = 0; i < frames; ++i) {
      pcm.insert(pcm.end(), kFrameLength, LevelOf(frame.turn(), frame.frame() + i));
    }
    transport::AttachFloat32(out, audio.mutable_pcm(), pcm, {frames * kFrameLength});
    transport::AttachInt32(out, audio.mutable_codes(), codes, {frames, kCodebooks});
    stream->samples += pcm.size();
  }
  if (!options_.rearrange) {
    channel_->Send(stream->front, std::move(out)).IgnoreError();
    return;
  }
  stream->held.push_back(std::move(out));
  if (!frame.last()) return;
  options_.rearrange(&stream->held);
  for (transport::Message& held : stream->held) {
    channel_->Send(stream->front, std::move(held)).IgnoreError();
  }
  stream->held.clear();
}

FakeEngine::FakeEngine(Options options) : options_(options) {
  pipeline::v1::Capacity capacity;
  capacity.set_streams(options_.streams);
  capacity.set_queue(options_.queue);
  Start(pipeline::v1::ENGINE, capacity, options_.dial,
        [this](uint64_t from, transport::Message message) { Handle(from, std::move(message)); });
}

std::vector<FakeEngine::Request> FakeEngine::requests() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return requests_;
}

std::vector<pipeline::v1::AudioCredit> FakeEngine::credits() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return credits_;
}

bool FakeEngine::AwaitPaused(uint32_t frames) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    return std::any_of(turns_.begin(), turns_.end(),
                       [&](const auto& turn) { return turn.second.next >= frames; });
  });
}

bool FakeEngine::AwaitRequests(size_t count) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return requests_.size() >= count; });
}

void FakeEngine::Handle(uint64_t from, transport::Message message) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (channel_ == nullptr) return;
  const pipeline::v1::Envelope& envelope = message.envelope;
  if (envelope.has_cancel()) {
    const StreamKey key = {envelope.cancel().stream().high(), envelope.cancel().stream().low()};
    turns_.erase(key);
    return NoteCancel(key);
  }
  if (envelope.has_audio_credit()) {
    const pipeline::v1::AudioCredit& credit = envelope.audio_credit();
    credits_.push_back(credit);
    const auto turn = turns_.find({credit.stream().high(), credit.stream().low()});
    if (turn == turns_.end() || turn->second.submit.turn() != credit.turn()) return;
    turn->second.credit = std::max(turn->second.credit, credit.frames());
    if (Advance(&turn->second)) turns_.erase(turn);
    changed_.notify_all();
    return;
  }
  if (!envelope.has_submit()) return;
  const pipeline::v1::Submit& submit = envelope.submit();
  if (options_.refuse || (submit.turn() > 0 && refused_ < options_.refuse_first)) {
    ++refused_;
    return Refuse(from, submit);
  }
  const pipeline::v1::Generate& generate = submit.generate();
  requests_.push_back({.turn = submit.turn(),
                       .token_ids = *transport::ReadInt32(message, generate.token_ids(), 1),
                       .codes = *transport::ReadInt32(message, generate.codes(), 2),
                       .sampling = generate.sampling(),
                       .priority = submit.priority(),
                       .generate = generate});
  Begin(from, submit);
  changed_.notify_all();
}

void FakeEngine::Refuse(uint64_t from, const pipeline::v1::Submit& submit) {
  pipeline::v1::Event event;
  event.mutable_failed()->set_code(8);
  event.mutable_failed()->set_reason("ENGINE_FULL");
  event.mutable_failed()->set_message("as the test asked");
  event.mutable_failed()->set_retry_after_seconds(options_.retry_after_seconds);
  SendEvent(from, submit, std::move(event));
}

void FakeEngine::Begin(uint64_t from, const pipeline::v1::Submit& submit) {
  pipeline::v1::Event accepted, started;
  accepted.mutable_accepted();
  SendEvent(from, submit, std::move(accepted));
  started.mutable_started();
  SendEvent(from, submit, std::move(started));
  const pipeline::v1::Peer& vocoder = submit.generate().vocoder();
  channel_->Dial(vocoder.inbox(), vocoder.incarnation()).IgnoreError();
  Turn turn = {.front = from,
               .submit = submit,
               .credit = options_.heed_credit ? submit.generate().credit_frames() : 0};
  if (!Advance(&turn)) {
    turns_[{submit.stream().high(), submit.stream().low()}] = std::move(turn);
  }
}

bool FakeEngine::Advance(Turn* turn) {
  for (;;) {
    if (turn->messages >= options_.stop_after) return true;
    uint32_t count = std::min(options_.frames_per_message, options_.frames - turn->next);
    if (count > 0 && turn->credit > 0) count = std::min(count, turn->credit - turn->next);
    if (count == 0 && turn->next < options_.frames) return false;
    SendFrames(turn, count);
    if (count == 0) break;
  }
  pipeline::v1::Event event;
  pipeline::v1::Event::Finished& finished = *event.mutable_finished();
  finished.set_reason(options_.finish);
  finished.set_frame_count(options_.frames + static_cast<uint32_t>(options_.frame_count_error));
  finished.set_prompt_tokens(turn->submit.generate().prompt_length());
  SendEvent(turn->front, turn->submit, std::move(event));
  return true;
}

void FakeEngine::SendFrames(Turn* turn, uint32_t count) {
  transport::Message message;
  pipeline::v1::Frame& frame = *message.envelope.mutable_frame();
  *frame.mutable_stream() = turn->submit.stream();
  frame.set_turn(turn->submit.turn());
  frame.set_frame(turn->next);
  frame.set_last(count == 0);
  if (count > 0) {
    std::vector<int32_t> codes;  // (count, num_codebooks)
    for (uint32_t i = 0; i < count; ++i) {
      const std::vector<int32_t> of_frame = CodesOf(turn->submit.turn(), turn->next + i);
      codes.insert(codes.end(), of_frame.begin(), of_frame.end());
    }
    transport::AttachInt32(message, frame.mutable_codes(), codes, {count, kCodebooks});
  }
  channel_->Send(turn->submit.generate().vocoder().incarnation(), std::move(message)).IgnoreError();
  turn->next += count;
  ++turn->messages;
}

}  // namespace shoal::testing
