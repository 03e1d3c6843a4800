#include "tools/inspect.h"

#include <string>

#include "common/checkpoint/checkpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"
#include "tools/make_tiny.h"

namespace shoal::tools {
namespace {

using shoal::testing::GoldenCheckpoint;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(InspectTest, SaysTheSizesOfTheGoldenCheckpoint) {
  const auto text = InspectCheckpoint(GoldenCheckpoint(), false);
  ASSERT_TRUE(text.ok()) << text.status();
  const auto opened =
      checkpoint::Checkpoint::Open(GoldenCheckpoint(), {.transformer = true, .codec = true});
  ASSERT_TRUE(opened.ok());
  const checkpoint::ModelConfig& model = opened->model_config();
  const checkpoint::CodecConfig& codec = opened->codec_config();
  const auto number = [](int64_t value) { return std::to_string(value); };
  EXPECT_THAT(*text, HasSubstr("slow transformer: " + number(model.text.n_layer) + " layers"));
  EXPECT_THAT(*text, HasSubstr("fast transformer: " + number(model.audio.n_layer) + " layers"));
  EXPECT_THAT(*text, HasSubstr("codebooks: " + number(model.num_codebooks)));
  EXPECT_THAT(*text, HasSubstr("codec: " + number(codec.sample_rate) + " Hz, " +
                               number(codec.frame_length) + " samples a frame"));
  EXPECT_THAT(*text, HasSubstr("transformer weights: " +
                               number(static_cast<int64_t>(opened->weights().names().size())) +
                               " tensors"));
  EXPECT_THAT(*text, Not(HasSubstr("text_model.model.norm.weight")));
}

TEST(InspectTest, ListsTensorsWhenAsked) {
  const auto text = InspectCheckpoint(GoldenCheckpoint(), true);
  ASSERT_TRUE(text.ok()) << text.status();
  const auto store = checkpoint::TensorStore::Open(GoldenCheckpoint(), "codec");
  for (const std::string& name : store->names()) EXPECT_THAT(*text, HasSubstr("  " + name + " "));
}

TEST(InspectTest, SaysWhatIsMissing) {
  const shoal::testing::TempDir folder;
  ASSERT_TRUE(MakeTinyCheckpoint(folder.path(), {}).ok());
  EXPECT_THAT(*InspectCheckpoint(folder.path(), false), HasSubstr("fingerprint of codec: "));
  std::remove(folder.File("codec.safetensors").c_str());
  std::remove(folder.File("config.json").c_str());
  const auto text = InspectCheckpoint(folder.path(), false);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, HasSubstr("config.json: missing"));
  EXPECT_THAT(*text, HasSubstr("codec.safetensors: missing"));
  EXPECT_THAT(*text, HasSubstr("(outdated)"));
}

TEST(InspectTest, SaysTheSamplingThatACheckpointNames) {
  const shoal::testing::TempDir folder;
  ASSERT_TRUE(MakeTinyCheckpoint(folder.path(), {}).ok());
  EXPECT_THAT(*InspectCheckpoint(folder.path(), false),
              HasSubstr("default sampling of its own: none\n"));
  folder.Write("generation_config.json",
               R"({"temperature": 0.5, "do_sample": true, "shoal": {"ras": {"rule": "off"}}})");
  EXPECT_THAT(*InspectCheckpoint(folder.path(), false),
              HasSubstr("default sampling of its own: temperature 0.5, ras.rule off\n"));
  folder.Write("generation_config.json", R"({"temperature": "hot"})");
  EXPECT_THAT(std::string(InspectCheckpoint(folder.path(), false).status().message()),
              HasSubstr("generation_config.json: temperature should be"));
}

TEST(InspectTest, RefusesWhatIsNoCheckpoint) {
  const shoal::testing::TempDir folder;
  EXPECT_THAT(std::string(InspectCheckpoint(folder.path(), false).status().message()),
              HasSubstr(folder.path()));
  folder.Write("config.json", "{");
  EXPECT_THAT(std::string(InspectCheckpoint(folder.path(), false).status().message()),
              HasSubstr("config.json"));
}

}  // namespace
}  // namespace shoal::tools
