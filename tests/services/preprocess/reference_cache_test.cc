#include "services/preprocess/reference_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "services/preprocess/errors.h"
#include "tests/common/audio/make_recording.h"
#include "tests/services/preprocess/front_fixture.h"

namespace shoal::preprocess {
namespace {

using ::shoal::testing::FakeEncoder;
using ::shoal::testing::kFrameLength;
using ::shoal::testing::kSampleRate;
using ::shoal::testing::ToneWav;

class ReferenceCacheTest : public ::testing::Test {
 protected:
  void Start(ReferenceCache::Options options = {.limits = {}, .max_bytes = 1 << 20}) {
    cache_ = std::make_unique<ReferenceCache>(options, &encoder_, &metrics_);
  }
  ~ReferenceCacheTest() override {
    encoder_.Release();
    cache_.reset();
  }
  std::future<absl::StatusOr<SharedReference>> Ask(const std::string& recording) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<SharedReference>>>();
    cache_->Get(recording, [promise](absl::StatusOr<SharedReference> reference) {
      promise->set_value(std::move(reference));
    });
    return promise->get_future();
  }
  absl::StatusOr<SharedReference> Get(const std::string& recording) { return Ask(recording).get(); }

  FakeEncoder encoder_;
  service::Metrics registry_{"test"};
  FrontMetrics metrics_{&registry_};
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

}  // namespace
}  // namespace shoal::preprocess
