#include "services/preprocess/references/reference_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sndfile.h>

#include <functional>
#include <future>

#include "services/preprocess/errors/errors.h"
#include "tests/common/audio/make_recording.h"
#include "tests/services/preprocess/references/fake_encoder.h"
#include "tests/support/temp_dir.h"

namespace shoal::preprocess {
namespace {

using ::shoal::testing::FakeEncoder;
using ::shoal::testing::kFrameLength;
using ::shoal::testing::kSampleRate;
using ::shoal::testing::ToneWav;

class ReferenceCacheTest : public ::testing::Test {
 protected:
  using Answer = std::future<absl::StatusOr<SharedReference>>;

  void Start(ReferenceCache::Options options = {.limits = {}, .max_bytes = 1 << 20}) {
    cache_.reset();
    absl::StatusOr<std::unique_ptr<ReferenceCache>> cache =
        ReferenceCache::Create(options, &encoder_, &registry_);
    ASSERT_TRUE(cache.ok()) << cache.status();
    cache_ = *std::move(cache);
  }
  ReferenceCache::Options OnDisk() const {
    return {
        .limits = {}, .max_bytes = 1 << 20, .folder = folder_.path(), .max_disk_bytes = 1 << 20};
  }
  ~ReferenceCacheTest() override {
    encoder_.Release();
    cache_.reset();
  }
  // With a ticket, the caller can let go of it; else the test holds it.
  Answer Ask(const std::string& recording, ReferenceCache::Ticket* ticket = nullptr) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<SharedReference>>>();
    Answer answer = promise->get_future();
    ReferenceCache::Ticket taken =
        cache_->Get(recording, [promise](absl::StatusOr<SharedReference> reference) {
          promise->set_value(std::move(reference));
        });
    if (ticket != nullptr) {
      *ticket = std::move(taken);
    } else {
      tickets_.push_back(std::move(taken));
    }
    return answer;
  }
  absl::StatusOr<SharedReference> Get(const std::string& recording) { return Ask(recording).get(); }

  testing::TempDir folder_;
  FakeEncoder encoder_;
  service::Metrics registry_{"test"};
  ReferenceMetrics metrics_{&registry_};  // the cache's own
  std::vector<ReferenceCache::Ticket> tickets_;
  std::unique_ptr<ReferenceCache> cache_;
};

TEST_F(ReferenceCacheTest, DecodesResamplesAndEncodes) {
  Start();
  const absl::StatusOr<SharedReference> reference = Get(ToneWav(1.0, 2 * kSampleRate, 2));
  ASSERT_TRUE(reference.ok()) << reference.status();
  EXPECT_EQ((*reference)->codes.frames, kSampleRate / kFrameLength);
  EXPECT_DOUBLE_EQ((*reference)->seconds, 1.0);
  EXPECT_TRUE((*reference)->warnings.empty());
}

TEST_F(ReferenceCacheTest, KeepsWhatItHasSeen) {
  Start();
  const SharedReference first = *Get(ToneWav(0.5, kSampleRate));
  EXPECT_EQ(*Get(ToneWav(0.5, kSampleRate)), first);
  EXPECT_NE(*Get(ToneWav(0.6, kSampleRate)), first);
  EXPECT_EQ(encoder_.calls(), 2);
}

TEST_F(ReferenceCacheTest, TheLeastRecentlyUsedGoesFirst) {
  // Room for two entries of 50 frames.
  Start({.limits = {}, .max_bytes = 1200});
  const std::string a = ToneWav(1.0, kSampleRate), b = ToneWav(1.0, 8000), c = ToneWav(1.0, 16000);
  ASSERT_TRUE(Get(a).ok() && Get(b).ok() && Get(a).ok() && Get(c).ok());
  EXPECT_EQ(encoder_.calls(), 3);
  ASSERT_TRUE(Get(a).ok());  // still there
  EXPECT_EQ(encoder_.calls(), 3);
  ASSERT_TRUE(Get(b).ok());  // had to go
  EXPECT_EQ(encoder_.calls(), 4);
}

TEST_F(ReferenceCacheTest, WithoutRoomNothingIsKeptAndAllIsServed) {
  Start({.limits = {}, .max_bytes = 0});
  EXPECT_TRUE(Get(ToneWav(0.5, kSampleRate)).ok());
  EXPECT_TRUE(Get(ToneWav(0.5, kSampleRate)).ok());
  EXPECT_EQ(encoder_.calls(), 2);
}

TEST_F(ReferenceCacheTest, AKnownVoiceDoesNotWaitBehindAnUnknownOne) {
  Start();
  ASSERT_TRUE(Get(ToneWav(0.5, kSampleRate)).ok());
  encoder_.Hold();
  auto unknown = Ask(ToneWav(0.6, kSampleRate));
  encoder_.AwaitHeld();
  EXPECT_TRUE(Get(ToneWav(0.5, kSampleRate)).ok());
  encoder_.Release();
  EXPECT_TRUE(unknown.get().ok());
}

TEST_F(ReferenceCacheTest, AFailureIsToldToAllAndNotKept) {
  Start();
  encoder_.FailWith(absl::InternalError("broken"));
  encoder_.Hold();
  auto first = Ask(ToneWav(0.5, kSampleRate)), second = Ask(ToneWav(0.5, kSampleRate));
  encoder_.AwaitHeld();
  encoder_.Release();
  EXPECT_EQ(first.get().status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(second.get().status().code(), absl::StatusCode::kInternal);
  encoder_.FailWith(absl::OkStatus());
  EXPECT_TRUE(Get(ToneWav(0.5, kSampleRate)).ok());
}

TEST_F(ReferenceCacheTest, ABadRecordingNeverReachesTheEncoder) {
  Start();
  EXPECT_EQ(Get("no audio").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Get("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(encoder_.calls(), 0);
}

TEST_F(ReferenceCacheTest, TooManyThatWaitAreRefused) {
  Start({.limits = {}, .max_bytes = 1 << 20, .workers = 1, .max_waiting = 1});
  encoder_.Hold();
  auto running = Ask(ToneWav(0.1, kSampleRate));
  encoder_.AwaitHeld();
  std::vector<std::future<absl::StatusOr<SharedReference>>> others;
  for (int i = 0; i < 6; ++i) others.push_back(Ask(ToneWav(0.2 + 0.1 * i, kSampleRate)));
  // At most one waits to be hashed and one to be encoded, so some of them are refused for certain.
  int refused = 0;
  for (auto& other : others) {
    if (other.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      EXPECT_EQ(ReasonOf(other.get().status()), "REFERENCE_QUEUE_FULL");
      ++refused;
    }
  }
  encoder_.Release();
  EXPECT_TRUE(running.get().ok());
  for (auto& other : others) {
    if (!other.valid()) continue;
    const absl::StatusOr<SharedReference> reference = other.get();
    if (reference.ok()) continue;
    EXPECT_EQ(ReasonOf(reference.status()), "REFERENCE_QUEUE_FULL");
    ++refused;
  }
  EXPECT_GE(refused, 3);
}

TEST_F(ReferenceCacheTest, OneThatGoesDoesNotTakeTheOtherWithIt) {
  Start();
  const std::string known = ToneWav(0.1, kSampleRate);
  ASSERT_TRUE(Get(known).ok());
  encoder_.Hold();
  ReferenceCache::Ticket going;
  const std::string recording = ToneWav(0.5, kSampleRate);
  Answer first = Ask(recording, &going), second = Ask(recording);
  encoder_.AwaitHeld();
  ASSERT_TRUE(Get(known).ok());  // so both wait by now
  going.reset();
  encoder_.AwaitWatched();  // the encoder has asked since
  encoder_.Release();
  EXPECT_TRUE(second.get().ok());
  EXPECT_EQ(encoder_.calls(), 2);
  EXPECT_EQ(encoder_.stopped(), 0);
  EXPECT_THROW(static_cast<void>(first.get()),
               std::future_error);  // its callback went without being called
}

TEST_F(ReferenceCacheTest, AnEncodingThatNobodyWaitsForStops) {
  Start();
  const std::string known = ToneWav(0.1, kSampleRate);
  ASSERT_TRUE(Get(known).ok());
  encoder_.Hold();
  ReferenceCache::Ticket first, second;
  const std::string recording = ToneWav(0.5, kSampleRate);
  Answer unheard = Ask(recording, &first), other = Ask(recording, &second);
  encoder_.AwaitHeld();
  ASSERT_TRUE(Get(known).ok());  // so both wait by now
  first.reset();
  second.reset();
  encoder_.AwaitStopped(1);  // although it is still held
  EXPECT_EQ(metrics_.stopped.Value(), 1);
  encoder_.Release();
  // Whoever asks again gets a new one.
  EXPECT_TRUE(Get(recording).ok());
  EXPECT_EQ(encoder_.calls(), 3);
  EXPECT_EQ(metrics_.encoding.Value(), 0);
}

TEST_F(ReferenceCacheTest, ARecordingThatNobodyWaitsForAnyMoreIsNotBegun) {
  Start();
  ASSERT_TRUE(Get(ToneWav(0.1, kSampleRate)).ok());
  encoder_.Hold();
  Answer running = Ask(ToneWav(0.2, kSampleRate));
  encoder_.AwaitHeld();
  ReferenceCache::Ticket going;
  Answer dropped = Ask(ToneWav(0.3, kSampleRate), &going);
  ASSERT_TRUE(Get(ToneWav(0.1, kSampleRate)).ok());  // so the one before it waits by now
  EXPECT_EQ(metrics_.waiting.Value(), 1);
  going.reset();
  encoder_.Release();
  EXPECT_TRUE(running.get().ok());
  EXPECT_TRUE(Get(ToneWav(0.4, kSampleRate)).ok());
  EXPECT_EQ(encoder_.calls(), 3);
}

TEST_F(ReferenceCacheTest, ThoseThatWentMakeRoomInTheQueue) {
  Start({.limits = {}, .max_bytes = 1 << 20, .workers = 1, .max_waiting = 2});
  const std::string known = ToneWav(0.1, kSampleRate);
  ASSERT_TRUE(Get(known).ok());
  encoder_.Hold();
  Answer running = Ask(ToneWav(0.2, kSampleRate));
  encoder_.AwaitHeld();
  ReferenceCache::Ticket going[2];
  Answer dropped[2];
  for (int i = 0; i < 2; ++i) {
    dropped[i] = Ask(ToneWav(0.3 + 0.1 * i, kSampleRate), &going[i]);
    ASSERT_TRUE(Get(known).ok());  // so the one before it waits by now
  }
  EXPECT_EQ(ReasonOf(Get(ToneWav(0.5, kSampleRate)).status()), "REFERENCE_QUEUE_FULL");
  going[1].reset();
  Answer accepted = Ask(ToneWav(0.6, kSampleRate));
  ASSERT_TRUE(Get(known).ok());
  encoder_.Release();
  EXPECT_TRUE(running.get().ok());
  EXPECT_TRUE(dropped[0].get().ok());
  EXPECT_TRUE(accepted.get().ok());
  EXPECT_EQ(encoder_.calls(), 4);
}

TEST_F(ReferenceCacheTest, EndingTheCacheStopsTheEncoding) {
  Start();
  encoder_.Hold();
  Answer never = Ask(ToneWav(0.5, kSampleRate));
  encoder_.AwaitHeld();
  cache_.reset();
  EXPECT_EQ(encoder_.stopped(), 1);
}

// Looks at the gauges from within.
class LookingEncoder final : public ReferenceEncoder {
 public:
  std::function<void(double done)> look;

  int sample_rate() const override { return kSampleRate; }
  int num_codebooks() const override { return 1; }
  std::string identity() const override { return ""; }
  absl::StatusOr<Codes> Encode(absl::Span<const float>, Watch watch) const override {
    for (const double done : {0.25, 0.5, 1.0}) {
      if (!watch(done)) return absl::CancelledError("");
      look(done);
    }
    return Codes{{1}, 1};
  }
};

TEST_F(ReferenceCacheTest, ProgressShowsInTheGauges) {
  LookingEncoder encoder;
  std::vector<double> left;
  encoder.look = [&](double) {
    left.push_back(metrics_.audio_left.Value());
    EXPECT_EQ(metrics_.encoding.Value(), 1);
  };
  cache_ = *ReferenceCache::Create({.limits = {}, .max_bytes = 1 << 20}, &encoder, &registry_);
  ASSERT_TRUE(Get(ToneWav(2.0, kSampleRate)).ok());
  EXPECT_THAT(left, ::testing::ElementsAre(1.5, 1.0, 0.0));
  cache_.reset();
  EXPECT_EQ(metrics_.audio_left.Value(), 0);
  EXPECT_EQ(metrics_.encoding.Value(), 0);
}

TEST_F(ReferenceCacheTest, ARestartFindsItOnDisk) {
  const std::string recording = ToneWav(0.5, kSampleRate);
  Start(OnDisk());
  const SharedReference first = *Get(recording);
  Start(OnDisk());
  const SharedReference second = *Get(recording);
  EXPECT_EQ(encoder_.calls(), 1);
  EXPECT_EQ(second->codes.values, first->codes.values);
  EXPECT_EQ(second->codes.frames, first->codes.frames);
  EXPECT_EQ(second->seconds, first->seconds);
  EXPECT_EQ(*Get(recording), second);  // from memory now
  EXPECT_EQ(metrics_.disk_hits.Value(), 1);
  EXPECT_EQ(metrics_.memory_hits.Value(), 1);
  EXPECT_EQ(metrics_.misses.Value(), 1);
  EXPECT_GT(metrics_.disk_bytes.Value(), 0);
  EXPECT_GT(metrics_.memory_bytes.Value(), 0);
}

TEST_F(ReferenceCacheTest, WarningsComeBackFromDisk) {
  std::vector<float> quiet = testing::Tone(0.5, kSampleRate);
  for (float& sample : quiet) sample *= 0.01f;
  const std::string recording =
      testing::MakeRecording(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 1, kSampleRate, quiet);
  for (int round = 0; round < 2; ++round) {
    Start(OnDisk());
    EXPECT_THAT((*Get(recording))->warnings, ::testing::ElementsAre("REFERENCE_QUIET"));
  }
  EXPECT_EQ(encoder_.calls(), 1);
}

TEST_F(ReferenceCacheTest, AnotherEncoderEncodesAnew) {
  const std::string recording = ToneWav(0.5, kSampleRate);
  for (const char* identity : {"one", "two", "one", "two"}) {
    encoder_.IdentifyAs(identity);
    Start(OnDisk());
    EXPECT_TRUE(Get(recording).ok());
  }
  EXPECT_EQ(encoder_.calls(), 2);
}

TEST_F(ReferenceCacheTest, ALowerLimitOfSecondsHoldsForWhatIsOnDisk) {
  Start(OnDisk());
  EXPECT_TRUE(Get(ToneWav(2.0, kSampleRate)).ok());
  ReferenceCache::Options options = OnDisk();
  options.limits.max_seconds = 1;
  Start(options);
  EXPECT_EQ(Get(ToneWav(2.0, kSampleRate)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ReferenceCacheTest, WhatMemoryDroppedIsStillOnDisk) {
  ReferenceCache::Options options = OnDisk();
  options.max_bytes = 0;
  Start(options);
  EXPECT_TRUE(Get(ToneWav(0.5, kSampleRate)).ok());
  // The answer comes before the codes are on disk; the end of the cache waits for that.
  Start(options);
  EXPECT_TRUE(Get(ToneWav(0.5, kSampleRate)).ok());
  EXPECT_TRUE(Get(ToneWav(0.5, kSampleRate)).ok());
  EXPECT_EQ(encoder_.calls(), 1);
  EXPECT_EQ(metrics_.disk_hits.Value(), 2);
  EXPECT_EQ(metrics_.memory_evictions.Value(), 3);
}

}  // namespace
}  // namespace shoal::preprocess
