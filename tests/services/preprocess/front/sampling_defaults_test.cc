#include "services/preprocess/front/sampling_defaults.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"

namespace shoal::preprocess {
namespace {

using checkpoint::GenerationConfig;
using google::protobuf::util::MessageDifferencer;
using tts::v1::RepetitionAwareSampling;
using tts::v1::SamplingConfig;

GenerationConfig Parse(const char* text) {
  const auto config = checkpoint::ParseGenerationConfig(text, "generation_config.json");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : GenerationConfig();
}

TEST(SamplingDefaults, TheDocumentedOnesAreThoseOfTheProto) {
  const SamplingConfig sampling = DocumentedSampling();
  EXPECT_EQ(sampling.temperature(), 0.8f);
  EXPECT_EQ(sampling.top_p(), 0.8f);
  EXPECT_EQ(sampling.top_k(), 30u);
  EXPECT_EQ(sampling.repetition_penalty(), 1.1f);
  EXPECT_FALSE(sampling.has_seed());
  EXPECT_EQ(sampling.max_frames(), 2048u);
  EXPECT_EQ(sampling.residual_sampling(), tts::v1::RESIDUAL_SAMPLED);
  EXPECT_EQ(sampling.filter_order(), tts::v1::FILTER_TOP_K_FIRST);
  EXPECT_EQ(sampling.ras().rule(), RepetitionAwareSampling::AUTHORS);
  EXPECT_EQ(sampling.ras().window(), 10u);
  EXPECT_EQ(sampling.ras().temperature(), 1.0f);
  EXPECT_EQ(sampling.ras().top_p(), 0.9f);
}

TEST(SamplingDefaults, ACheckpointThatSaysNothingChangesNothing) {
  EXPECT_TRUE(MessageDifferencer::Equals(FillSampling(ToSampling({}), DocumentedSampling()),
                                         DocumentedSampling()));
}

TEST(SamplingDefaults, EverythingACheckpointSaysCounts) {
  const SamplingConfig sampling = FillSampling(
      ToSampling(Parse(R"({"temperature": 0, "top_p": 0.5, "top_k": 0, "repetition_penalty": 1,
          "shoal": {"max_frames": 9, "residual_sampling": "greedy", "filter_order": "full_softmax",
                    "ras": {"rule": "window", "window": 6, "temperature": 2, "top_p": 0.7}}})")),
      DocumentedSampling());
  EXPECT_EQ(sampling.temperature(), 0.0f);
  EXPECT_EQ(sampling.top_p(), 0.5f);
  EXPECT_EQ(sampling.top_k(), 0u);
  EXPECT_EQ(sampling.repetition_penalty(), 1.0f);
  EXPECT_EQ(sampling.max_frames(), 9u);
  EXPECT_EQ(sampling.residual_sampling(), tts::v1::RESIDUAL_GREEDY);
  EXPECT_EQ(sampling.filter_order(), tts::v1::FILTER_FULL_SOFTMAX);
  EXPECT_EQ(sampling.ras().rule(), RepetitionAwareSampling::WINDOW);
  EXPECT_EQ(sampling.ras().window(), 6u);
  EXPECT_EQ(sampling.ras().temperature(), 2.0f);
  EXPECT_EQ(sampling.ras().top_p(), 0.7f);
}

TEST(SamplingDefaults, ChoicesOfACheckpointAreThoseOfTheProto) {
  const auto of = [](const char* own) {
    return ToSampling(Parse(absl::StrCat("{\"shoal\": ", own, "}").c_str()));
  };
  EXPECT_EQ(of(R"({"residual_sampling": "sampled"})").residual_sampling(),
            tts::v1::RESIDUAL_SAMPLED);
  EXPECT_EQ(of(R"({"filter_order": "top_k_first"})").filter_order(), tts::v1::FILTER_TOP_K_FIRST);
  EXPECT_EQ(of(R"({"ras": {"rule": "off"}})").ras().rule(), RepetitionAwareSampling::OFF);
  EXPECT_EQ(of(R"({"ras": {"rule": "authors"}})").ras().rule(), RepetitionAwareSampling::AUTHORS);
}

// Else a checkpoint's window for one rule would become another rule's.
TEST(SamplingDefaults, NumbersOfRasBelongToTheRuleThatTheyWereGivenWith) {
  const SamplingConfig defaults = FillSampling(
      ToSampling(Parse(R"({"shoal": {"ras": {"rule": "authors", "window": 20, "top_p": 0.5}}})")),
      DocumentedSampling());
  EXPECT_EQ(defaults.ras().window(), 20u);
  EXPECT_EQ(defaults.ras().temperature(), 1.0f);

  SamplingConfig asked;
  asked.mutable_ras()->set_rule(RepetitionAwareSampling::WINDOW);
  asked.mutable_ras()->set_top_p(0.6f);
  const RepetitionAwareSampling other = FillSampling(asked, defaults).ras();
  EXPECT_EQ(other.window(), 4u);
  EXPECT_EQ(other.temperature(), 1.5f);
  EXPECT_EQ(other.top_p(), 0.6f);

  asked.mutable_ras()->set_rule(RepetitionAwareSampling::AUTHORS);
  const RepetitionAwareSampling same = FillSampling(asked, defaults).ras();
  EXPECT_EQ(same.window(), 20u);
  EXPECT_EQ(same.top_p(), 0.6f);
}

}  // namespace
}  // namespace shoal::preprocess
