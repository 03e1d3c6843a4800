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
  EXPECT_EQ(sampling.residual_sampling(), tts::v1::RESIDUAL_SAMPLING_UNSPECIFIED);
  EXPECT_EQ(sampling.filter_order(), tts::v1::FILTER_ORDER_UNSPECIFIED);
  EXPECT_EQ(sampling.ras().rule(), tts::v1::RepetitionAwareSampling::RULE_UNSPECIFIED);
  EXPECT_FALSE(sampling.ras().has_window() || sampling.ras().has_temperature() ||
               sampling.ras().has_top_p());
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

TEST(SayFlags, EveryChoiceOfSamplingCanBeMade) {
  const auto sampling = [](std::vector<const char*> arguments) {
    SayFlags flags;
    service::FlagSet set("test", "test");
    AddSayFlags(set, &flags);
    arguments.insert(arguments.begin(), "test");
    EXPECT_TRUE(set.Parse(static_cast<int>(arguments.size()), arguments.data()).ok());
    const absl::StatusOr<SayOptions> options = OptionsOf(flags);
    EXPECT_TRUE(options.ok()) << options.status();
    return options->config.sampling();
  };
  using tts::v1::RepetitionAwareSampling;
  EXPECT_EQ(sampling({"--ras=off"}).ras().rule(), RepetitionAwareSampling::OFF);
  EXPECT_EQ(sampling({"--ras=authors"}).ras().rule(), RepetitionAwareSampling::AUTHORS);
  const tts::v1::SamplingConfig window =
      sampling({"--ras=window", "--ras-window=7", "--ras-temperature=1.25", "--ras-top-p=0.5"});
  EXPECT_EQ(window.ras().rule(), RepetitionAwareSampling::WINDOW);
  EXPECT_EQ(window.ras().window(), 7u);
  EXPECT_EQ(window.ras().temperature(), 1.25f);
  EXPECT_EQ(window.ras().top_p(), 0.5f);
  EXPECT_EQ(sampling({"--residual-sampling=greedy"}).residual_sampling(), tts::v1::RESIDUAL_GREEDY);
  EXPECT_EQ(sampling({"--residual-sampling=sampled"}).residual_sampling(),
            tts::v1::RESIDUAL_SAMPLED);
  EXPECT_EQ(sampling({"--filter-order=top-k-first"}).filter_order(), tts::v1::FILTER_TOP_K_FIRST);
  EXPECT_EQ(sampling({"--filter-order=full-softmax"}).filter_order(), tts::v1::FILTER_FULL_SOFTMAX);
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
  EXPECT_THAT(error([](SayFlags* f) { f->ras = "on"; }),
              HasSubstr("--ras: expected one of off, authors, window, got \"on\""));
  EXPECT_THAT(error([](SayFlags* f) { f->ras_window = "4.5"; }), HasSubstr("--ras-window"));
  EXPECT_THAT(error([](SayFlags* f) { f->ras_temperature = "x"; }), HasSubstr("--ras-temperature"));
  EXPECT_THAT(error([](SayFlags* f) { f->ras_top_p = "x"; }), HasSubstr("--ras-top-p"));
  EXPECT_THAT(error([](SayFlags* f) { f->residual_sampling = "GREEDY"; }),
              HasSubstr("--residual-sampling"));
  EXPECT_THAT(error([](SayFlags* f) { f->filter_order = "1"; }), HasSubstr("--filter-order"));
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
