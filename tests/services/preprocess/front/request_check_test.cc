// What a config that is right becomes; bad_input_test.cc has all that is wrong.

#include "services/preprocess/front/request_check.h"

#include <gtest/gtest.h>

#include "services/preprocess/front/front_flags.h"

namespace shoal::preprocess {
namespace {

RequestContext Context() {
  RequestContext context;
  context.codec_sample_rate = 44100;
  context.max_seq_len = 4096;
  return context;
}

TEST(RequestCheck, EveryBoundIsInRange) {
  for (const bool high : {false, true}) {
    tts::v1::SynthesisConfig config;
    tts::v1::SamplingConfig& sampling = *config.mutable_sampling();
    config.mutable_audio()->set_sample_rate_hz(high ? 48000 : 8000);
    sampling.set_temperature(high ? 10 : 0);
    sampling.set_top_p(high ? 1.0f : 1e-6f);
    sampling.set_repetition_penalty(high ? 10.0f : 0.1f);
    sampling.set_max_frames(high ? 4095 : 1);
    sampling.set_top_k(high ? UINT32_MAX : 0);
    sampling.mutable_ras()->set_window(high ? 64 : 1);
    sampling.mutable_ras()->set_temperature(high ? 10.0f : 1e-6f);
    config.set_chunk_length(high ? 1000 : 100);
    config.set_request_id(std::string(high ? 128 : 0, '~'));
    const absl::StatusOr<SessionConfig> checked = CheckConfig(config, Context());
    ASSERT_TRUE(checked.ok()) << checked.status();
    EXPECT_EQ(checked->sampling.top_k(), high ? 2147483647u : 0u);
    EXPECT_EQ(checked->max_frames, high ? 4095u : 1u);
    EXPECT_EQ(checked->chunk_length, high ? 1000 : 100);
  }
}

TEST(RequestCheck, TheWindowRuleHasDefaultsOfItsOwn) {
  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->mutable_ras()->set_rule(tts::v1::RepetitionAwareSampling::WINDOW);
  const absl::StatusOr<SessionConfig> checked = CheckConfig(config, Context());
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->sampling.ras().rule(), pipeline::v1::Ras::WINDOW);
  EXPECT_EQ(checked->sampling.ras().window(), 4u);
  EXPECT_FLOAT_EQ(checked->sampling.ras().temperature(), 1.5f);
  EXPECT_FLOAT_EQ(checked->sampling.ras().top_p(), 0.95f);
}

TEST(RequestCheck, ChoicesAreTaken) {
  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->set_residual_sampling(tts::v1::RESIDUAL_GREEDY);
  config.mutable_sampling()->set_filter_order(tts::v1::FILTER_FULL_SOFTMAX);
  config.mutable_sampling()->mutable_ras()->set_rule(tts::v1::RepetitionAwareSampling::OFF);
  config.mutable_sampling()->set_seed(0);
  const absl::StatusOr<SessionConfig> checked = CheckConfig(config, Context());
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_TRUE(checked->sampling.residual_greedy());
  EXPECT_EQ(checked->sampling.filter_order(), pipeline::v1::FULL_SOFTMAX);
  EXPECT_EQ(checked->sampling.ras().rule(), pipeline::v1::Ras::OFF);
  EXPECT_EQ(checked->seed, 0u);
  EXPECT_FALSE(checked->max_frames.has_value());
}

TEST(RequestCheck, WhatIsLeftOpenIsTheServersWhatIsAskedForIsNot) {
  RequestContext context = Context();
  tts::v1::SamplingConfig& server = context.sampling;
  server.set_temperature(0.4f);
  server.set_top_k(5);
  server.set_residual_sampling(tts::v1::RESIDUAL_GREEDY);
  server.mutable_ras()->set_rule(tts::v1::RepetitionAwareSampling::OFF);
  server.set_max_frames(5000);  // more than the context holds: nobody has asked for them
  const absl::StatusOr<SessionConfig> open = CheckConfig({}, context);
  ASSERT_TRUE(open.ok()) << open.status();
  EXPECT_FLOAT_EQ(open->sampling.temperature(), 0.4f);
  EXPECT_EQ(open->sampling.top_k(), 5u);
  EXPECT_TRUE(open->sampling.residual_greedy());
  EXPECT_EQ(open->sampling.ras().rule(), pipeline::v1::Ras::OFF);
  EXPECT_FALSE(open->max_frames.has_value());

  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->set_temperature(0);
  config.mutable_sampling()->set_residual_sampling(tts::v1::RESIDUAL_SAMPLED);
  config.mutable_sampling()->mutable_ras()->set_rule(tts::v1::RepetitionAwareSampling::AUTHORS);
  const absl::StatusOr<SessionConfig> asked = CheckConfig(config, context);
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_EQ(asked->sampling.temperature(), 0);
  EXPECT_EQ(asked->sampling.top_k(), 5u);
  EXPECT_FALSE(asked->sampling.residual_greedy());
  EXPECT_EQ(asked->sampling.ras().rule(), pipeline::v1::Ras::AUTHORS);
  EXPECT_EQ(asked->sampling.ras().window(), 10u);
}

TEST(FrontFlags, ErrorsNameTheFlag) {
  const auto error = [](std::vector<const char*> arguments) {
    FrontFlags flags;
    service::FlagSet set("test", "test");
    AddFrontFlags(set, &flags);
    arguments.insert(arguments.begin(), "test");
    const auto outcome = set.Parse(static_cast<int>(arguments.size()), arguments.data());
    const absl::Status status = outcome.ok() ? FinishFrontFlags(&flags) : outcome.status();
    return std::string(status.message());
  };
  EXPECT_NE(error({}).find("--checkpoint"), std::string::npos);
  EXPECT_EQ(error({"--checkpoint=x"}), "");
  for (const char* flag : {"--max-streams", "--max-text-bytes", "--threads", "--client-stall",
                           "--max-reference-seconds"}) {
    EXPECT_NE(error({"--checkpoint=x", flag, "0"}).find(flag), std::string::npos) << flag;
  }
  EXPECT_NE(error({"--checkpoint=x", "--max-text-bytes=3000000000"}).find("too large"),
            std::string::npos);
}

TEST(FrontFlags, EnginesAndVocodersAreDialled) {
  FrontFlags flags;
  service::FlagSet set("test", "test");
  AddFrontFlags(set, &flags);
  const char* arguments[] = {"test", "--checkpoint=x", "--engine=tcp://a:1,tcp://b:2",
                             "--vocoder=tcp://c:3", "--residual-sampling=greedy"};
  ASSERT_TRUE(set.Parse(5, arguments).ok());
  ASSERT_TRUE(FinishFrontFlags(&flags).ok());
  EXPECT_EQ(flags.server.channel.dial,
            (std::vector<std::string>{"tcp://a:1", "tcp://b:2", "tcp://c:3"}));
  EXPECT_EQ(flags.server.front.residual_sampling, tts::v1::RESIDUAL_GREEDY);
}

}  // namespace
}  // namespace shoal::preprocess
