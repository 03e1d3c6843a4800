#include "client/say_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace shoal::client {
namespace {

using ::testing::HasSubstr;

TEST(SayFlags, WhatIsNotGivenIsLeftToTheServer) {
  const absl::StatusOr<SayOptions> options = OptionsOf({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_FALSE(options->text.has_value());
  const tts::v1::SamplingConfig& sampling = options->config.sampling();
  EXPECT_FALSE(sampling.has_seed() || sampling.has_max_frames() || sampling.has_temperature() ||
               sampling.has_top_p() || sampling.has_top_k() || sampling.has_repetition_penalty());
  EXPECT_EQ(options->config.references_size(), 0);
}

TEST(SayFlags, WhatIsGivenIsSent) {
  const std::string path = ::testing::TempDir() + "/shoal_say_flags_test.wav";
  std::ofstream(path) << "bytes";
  SayFlags flags;
  flags.words = {"Hello", "there."};
  flags.seed = "18446744073709551615";
  flags.temperature = "-1";  // for the server to refuse
  flags.top_k = "0";
  flags.chunk_length = "150";
  flags.sample_rate = "16000";
  flags.request_id = "label";
  flags.recordings = {{false, path}, {true, "Commas, too."}, {false, path}};
  flags.transcript = "the environment's";
  const absl::StatusOr<SayOptions> options = OptionsOf(flags);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->text, "Hello there.");
  EXPECT_EQ(options->config.sampling().seed(), UINT64_MAX);
  EXPECT_EQ(options->config.sampling().temperature(), -1);
  EXPECT_TRUE(options->config.sampling().has_top_k());
  EXPECT_EQ(options->config.chunk_length(), 150u);
  EXPECT_EQ(options->config.audio().sample_rate_hz(), 16000u);
  EXPECT_EQ(options->config.request_id(), "label");
  ASSERT_EQ(options->config.references_size(), 2);
  EXPECT_EQ(options->config.references(0).audio(), "bytes");
  EXPECT_EQ(options->config.references(0).transcript(), "Commas, too.");
  EXPECT_EQ(options->config.references(1).transcript(), "");
}

TEST(SayFlags, ARecordingMayComeFromTheEnvironment) {
  const std::string path = ::testing::TempDir() + "/shoal_say_flags_environment.wav";
  std::ofstream(path) << "bytes";
  SayFlags flags;
  flags.reference = path;
  flags.transcript = "Said.";
  const absl::StatusOr<SayOptions> options = OptionsOf(flags);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->config.references(0).transcript(), "Said.");
}

TEST(SayFlags, ErrorsNameTheFlag) {
  const auto error = [](auto set) {
    SayFlags flags;
    set(&flags);
    return std::string(OptionsOf(flags).status().message());
  };
  EXPECT_THAT(error([](SayFlags* f) { f->seed = "-1"; }), HasSubstr("--seed"));
  EXPECT_THAT(error([](SayFlags* f) { f->max_frames = "many"; }), HasSubstr("--max-frames"));
  EXPECT_THAT(error([](SayFlags* f) { f->top_p = "0.9x"; }), HasSubstr("--top-p"));
  EXPECT_THAT(error([](SayFlags* f) { f->sample_rate = "-8000"; }), HasSubstr("--sample-rate"));
  EXPECT_THAT(error([](SayFlags* f) { f->transcript = "x"; }), HasSubstr("--reference"));
  EXPECT_THAT(error([](SayFlags* f) { f->reference = "/nowhere.wav"; }), HasSubstr("/nowhere.wav"));
  EXPECT_THAT(error([](SayFlags* f) { f->reference = ::testing::TempDir(); }),
              HasSubstr("--reference: cannot read"));
  EXPECT_THAT(error([](SayFlags* f) { f->request_id = "\xff"; }), HasSubstr("--request-id"));
  EXPECT_THAT(error([](SayFlags* f) {
                f->words = {"a", "\xff"};
              }),
              HasSubstr("not UTF-8: 0xFF at byte 2"));
}

}  // namespace
}  // namespace shoal::client
