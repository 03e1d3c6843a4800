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
  flags.reference = path;
  flags.transcript = "Commas, too.";
  const absl::StatusOr<SayOptions> options = OptionsOf(flags);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->text, "Hello there.");
  EXPECT_EQ(options->config.sampling().seed(), UINT64_MAX);
  EXPECT_EQ(options->config.sampling().temperature(), -1);
  EXPECT_TRUE(options->config.sampling().has_top_k());
  EXPECT_EQ(options->config.references(0).audio(), "bytes");
  EXPECT_EQ(options->config.references(0).transcript(), "Commas, too.");
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
  EXPECT_THAT(error([](SayFlags* f) { f->sample_rate = -8000; }), HasSubstr("--sample-rate"));
  EXPECT_THAT(error([](SayFlags* f) { f->transcript = "x"; }), HasSubstr("--reference"));
  EXPECT_THAT(error([](SayFlags* f) { f->reference = "/nowhere.wav"; }),
              HasSubstr("--reference: cannot read /nowhere.wav"));
}

}  // namespace
}  // namespace shoal::client
