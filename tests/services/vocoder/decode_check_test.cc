#include "services/vocoder/decode_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "common/transport/message_check.h"

namespace shoal::vocoder {
namespace {

namespace v1 = pipeline::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr DecoderSizes kSizes = {
    .num_codebooks = 2, .frame_length = 10, .replay_frames = 3, .max_stream_frames = 100};

// A replay of frames 7 to 9 of a stream, 8 and 9 being the first of turn 1.
transport::Message Submit() {
  transport::Message message;
  v1::Submit& submit = *message.envelope.mutable_submit();
  submit.mutable_stream()->set_low(1);
  submit.set_priority(v1::WHOLE_FILE);
  submit.mutable_decode()->set_max_frames_per_chunk(4);
  v1::Replay& replay = *submit.mutable_decode()->mutable_replay();
  replay.set_turn(1);
  replay.set_frame(2);
  replay.set_position(10);
  replay.set_first_sample(100);
  transport::AttachInt32(message, replay.mutable_codes(), {1, 2, 3, 4, 5, 6}, {3, 2});
  return message;
}

TEST(DecodeCheckTest, AReplayIsReadAsItIs) {
  const transport::Message message = Submit();
  ASSERT_TRUE(transport::CheckMessage(message, {}).ok()) << transport::CheckMessage(message, {});
  const auto start = ReadStart(message, kSizes);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_TRUE(start->whole_file);
  EXPECT_EQ(start->max_frames_per_chunk, 4);
  EXPECT_EQ(start->turn, 1u);
  EXPECT_EQ(start->frame, 2u);
  EXPECT_EQ(start->position, 10u);
  EXPECT_THAT(start->codes, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(DecodeCheckTest, WithoutAReplayTheStreamBegins) {
  transport::Message message;
  message.envelope.mutable_submit()->set_priority(v1::PLAYBACK);
  message.envelope.mutable_submit()->mutable_decode()->set_max_frames_per_chunk(4'000'000'000);
  const auto start = ReadStart(message, kSizes);
  ASSERT_TRUE(start.ok()) << start.status();
  EXPECT_FALSE(start->whole_file);
  EXPECT_GT(start->max_frames_per_chunk, 0);
  EXPECT_EQ(start->position, 0u);
}

TEST(DecodeCheckTest, WhatIsWrongIsNamed) {
  const struct {
    std::function<void(v1::Replay&)> change;
    const char* says;
  } cases[] = {
      {[](v1::Replay& r) { r.mutable_codes()->set_shape(1, 3); },
       "submit.decode.replay.codes: expected (n, 2) codes"},
      {[](v1::Replay& r) { r.mutable_codes()->set_shape(0, 2); },
       "submit.decode.replay.codes: expected the last 3 frames before position 10, got 2"},
      {[](v1::Replay& r) { r.set_position(100); },
       "submit.decode.replay.position: expected less than 100, got 100"},
      {[](v1::Replay& r) { r.set_position(uint64_t{1} << 63); }, "submit.decode.replay.position"},
      {[](v1::Replay& r) { r.set_frame(11); },
       "submit.decode.replay.position: got 10 before frame 11 of turn 1"},
      {[](v1::Replay& r) { r.set_turn(0); },
       "submit.decode.replay.position: got 10 before frame 2 of turn 0"},
      {[](v1::Replay& r) { r.set_first_sample(90); },
       "submit.decode.replay.first_sample: expected 100 at position 10, got 90"},
  };
  for (const auto& c : cases) {
    transport::Message message = Submit();
    c.change(*message.envelope.mutable_submit()->mutable_decode()->mutable_replay());
    const auto start = ReadStart(message, kSizes);
    EXPECT_EQ(start.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(start.status().message()), HasSubstr(c.says));
  }
  transport::Message generate;
  generate.envelope.mutable_submit()->mutable_generate();
  EXPECT_THAT(std::string(ReadStart(generate, kSizes).status().message()),
              HasSubstr("submit.work"));
}

// Early in a stream there are fewer frames than the decoder remembers: all of them.
TEST(DecodeCheckTest, AYoungStreamGivesAllItsFrames) {
  transport::Message message = Submit();
  v1::Replay& replay = *message.envelope.mutable_submit()->mutable_decode()->mutable_replay();
  replay.set_position(2);
  replay.set_first_sample(20);
  EXPECT_THAT(std::string(ReadStart(message, kSizes).status().message()),
              HasSubstr("the last 2 frames before position 2, got 3"));
  message.parts.clear();
  transport::AttachInt32(message, replay.mutable_codes(), {3, 4, 5, 6}, {2, 2});
  EXPECT_TRUE(ReadStart(message, kSizes).ok()) << ReadStart(message, kSizes).status();
}

}  // namespace
}  // namespace shoal::vocoder
