// An engine and a vocoder without a model, for tests of the front: they speak the real protocol
// over real channels, and do wrong what a test asks for. Audio of a frame is a constant level that
// names its turn, frame and first code, so a test can tell what it hears.
#ifndef SHOAL_TESTS_SERVICES_PREPROCESS_FRONT_FAKE_STAGES_H_
#define SHOAL_TESTS_SERVICES_PREPROCESS_FRONT_FAKE_STAGES_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/transport/channel.h"
#include "tests/services/preprocess/references/fake_sizes.h"

namespace shoal::testing {

// The codes of a frame, and the level of its audio.
std::vector<int32_t> CodesOf(uint32_t turn, uint32_t frame);
float LevelOf(uint32_t turn, uint32_t frame);

// What both have: a channel, and a record of what they were told. Any thread may ask.
class FakeStage {
 public:
  virtual ~FakeStage() = default;

  std::string inbox() const { return channel_->inbox(); }
  // The process dies: its channel closes and everything it held is gone.
  void Kill();

  // Blocks until this many streams were cancelled, counting each once; false after 20 s.
  bool AwaitCancelled(size_t streams);
  size_t cancelled() const;

 protected:
  using StreamKey = std::pair<uint64_t, uint64_t>;

  void Start(pipeline::v1::Stage stage, pipeline::v1::Capacity capacity,
             std::vector<std::string> dial,
             std::function<void(uint64_t from, transport::Message)> handle);
  void NoteCancel(const StreamKey& stream);
  // Sends an event about the stream and turn of `submit`.
  void SendEvent(uint64_t to, const pipeline::v1::Submit& submit, pipeline::v1::Event event);
  void SendFailed(uint64_t to, const pipeline::v1::Submit& submit, int code,
                  const std::string& reason);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<StreamKey> cancelled_;
  std::unique_ptr<transport::Channel> channel_;
};

class FakeVocoder final : public FakeStage {
 public:
  struct Options {
    uint32_t streams = 16;
    bool refuse = false;  // RESOURCE_EXHAUSTED to every Submit
    bool silent = false;  // answers nothing
    std::vector<std::string> dial = {};
    // Rearranges the audio of a turn (all its messages, the end included) before it is sent. When
    // set, nothing is sent until the turn's last frame has come.
    std::function<void(std::vector<transport::Message>*)> rearrange = nullptr;
  };

  explicit FakeVocoder(Options options);
  ~FakeVocoder() override { Kill(); }

  size_t open_streams() const;

 private:
  struct Stream {
    uint64_t front = 0;
    uint64_t samples = 0;
    std::vector<transport::Message> held;
  };

  void Handle(uint64_t from, transport::Message message);
  void Speak(Stream* stream, const transport::Message& message);

  const Options options_;
  std::map<StreamKey, Stream> streams_;
};

class FakeEngine final : public FakeStage {
 public:
  struct Options {
    uint32_t streams = 16;
    uint32_t queue = 0;
    std::vector<std::string> dial = {};
    uint32_t frames = 3;  // of every turn
    uint32_t frames_per_message = 1;
    uint32_t stop_after = ~0u;  // messages sent before the engine falls silent
    bool refuse = false;        // RESOURCE_EXHAUSTED to every Submit
    uint32_t refuse_first = 0;  // the same to the first few of a turn other than 0
    int frame_count_error = 0;  // added to the count in `finished`
    pipeline::v1::FinishReason finish = pipeline::v1::STOP;
    bool heed_credit = true;         // pauses a turn at its credit; else it is made at once
    double retry_after_seconds = 0;  // in refusals
  };

  // A Submit{generate} as it came.
  struct Request {
    uint32_t turn = 0;
    std::vector<int32_t> token_ids;
    std::vector<int32_t> codes;  // (num_codebooks, length)
    pipeline::v1::Sampling sampling;
    pipeline::v1::Priority priority = pipeline::v1::PRIORITY_UNSPECIFIED;
    pipeline::v1::Generate generate;  // the message itself
  };

  explicit FakeEngine(Options options);
  ~FakeEngine() override { Kill(); }

  std::vector<Request> requests() const;
  // Blocks until this many were accepted; false after 20 s.
  bool AwaitRequests(size_t count);
  // The AudioCredits that came, in order.
  std::vector<pipeline::v1::AudioCredit> credits() const;
  // Blocks until a turn has stopped at its credit, after at least so many frames; false after 20 s.
  bool AwaitPaused(uint32_t frames);

 private:
  // A turn that is being made.
  struct Turn {
    uint64_t front = 0;
    pipeline::v1::Submit submit;
    uint32_t next = 0;      // frame
    uint32_t credit = 0;    // 0 = no limit
    uint32_t messages = 0;  // sent to the vocoder
  };

  void Handle(uint64_t from, transport::Message message);
  void Refuse(uint64_t from, const pipeline::v1::Submit& submit);
  void Begin(uint64_t from, const pipeline::v1::Submit& submit);
  // Makes what it may; true when the turn is over, or nothing will ever follow.
  bool Advance(Turn* turn);
  void SendFrames(Turn* turn, uint32_t count);

  const Options options_;
  std::vector<Request> requests_;
  std::map<StreamKey, Turn> turns_;
  std::vector<pipeline::v1::AudioCredit> credits_;
  uint32_t refused_ = 0;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SERVICES_PREPROCESS_FRONT_FAKE_STAGES_H_
