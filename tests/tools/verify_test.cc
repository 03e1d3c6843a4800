#include "tools/verify.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/checkpoint/checkpoint.h"
#include "common/checkpoint/expected_tensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/temp_dir.h"
#include "tools/make_tiny.h"

namespace shoal::tools {
namespace {

using checkpoint::NamedTensor;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TinyOptions options;
    options.shards = 1;
    options.untied = true;
    options.dim = 16;
    options.layers = 1;
    ASSERT_TRUE(MakeTinyCheckpoint(folder_.path(), options).ok());
    ASSERT_EQ(Error(), "");
  }

  std::string Error() {
    const absl::StatusOr<Verified> verified = VerifyCheckpoint(folder_.path());
    if (!verified.ok()) return std::string(verified.status().message());
    notes_ = verified->notes;
    return "";
  }

  // Rewrites a file of tensors after `change`. The old fingerprint goes: it would be found wrong.
  void ChangeTensors(const std::string& stem,
                     const std::function<void(std::vector<NamedTensor>&)>& change) {
    std::filesystem::remove(folder_.File("fingerprint.json"));
    const auto store = checkpoint::TensorStore::Open(folder_.path(), stem);
    ASSERT_TRUE(store.ok()) << store.status();
    std::vector<NamedTensor> tensors;
    for (const std::string& name : store->names()) tensors.push_back({name, *store->Find(name)});
    change(tensors);
    ASSERT_TRUE(
        checkpoint::WriteSafetensors(folder_.File(stem + ".safetensors"), tensors, {}).ok());
  }

  static NamedTensor& Find(std::vector<NamedTensor>& tensors, const std::string& name) {
    for (NamedTensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::runtime_error("no tensor " + name);
  }

  void ChangeJson(const std::string& file, const std::function<void(Json&)>& change) {
    std::filesystem::remove(folder_.File("fingerprint.json"));
    Json json = Json::parse(folder_.Read(file));
    change(json);
    folder_.Write(file, json.dump());
  }

  shoal::testing::TempDir folder_;
  std::vector<std::string> notes_;
};

constexpr char kNorm[] = "text_model.model.norm.weight";
constexpr char kAlpha[] = "decoder.model.1.block.0.alpha";

TEST_F(VerifyTest, NamesAMissingTensor) {
  ChangeTensors("model", [](auto& tensors) { Find(tensors, kNorm).name = "renamed"; });
  EXPECT_THAT(Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr(kNorm), HasSubstr("[16]")));
}

TEST_F(VerifyTest, NamesAMissingTensorOfTheCodec) {
  ChangeTensors("codec", [](auto& tensors) { Find(tensors, kAlpha).name = "renamed"; });
  EXPECT_THAT(Error(), AllOf(HasSubstr("codec.safetensors"), HasSubstr(kAlpha)));
}

TEST_F(VerifyTest, NamesATensorOfAnotherShape) {
  ChangeTensors("model", [](auto& tensors) { Find(tensors, kNorm).tensor.shape = {4, 4}; });
  EXPECT_THAT(Error(), AllOf(HasSubstr("model.safetensors"), HasSubstr(kNorm), HasSubstr("[4, 4]"),
                             HasSubstr("expected [16]")));
}

TEST_F(VerifyTest, NamesATensorThatIsNotFinite) {
  const std::vector<uint16_t> values(16, 0x7fc0);
  ChangeTensors("model", [&](auto& tensors) {
    Find(tensors, kNorm).tensor.bytes =
        absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values.data()), 32);
  });
  EXPECT_THAT(Error(), AllOf(HasSubstr(kNorm), HasSubstr("not finite")));
}

TEST_F(VerifyTest, NamesATensorOfWholeNumbers) {
  ChangeTensors("model",
                [](auto& tensors) { Find(tensors, kNorm).tensor.dtype = checkpoint::DType::kI16; });
  EXPECT_THAT(Error(), AllOf(HasSubstr(kNorm), HasSubstr("I16")));
}

TEST_F(VerifyTest, NamesATruncatedFile) {
  const std::string whole = folder_.Read("codec.safetensors");
  folder_.Write("codec.safetensors", whole.substr(0, whole.size() - 4));
  EXPECT_THAT(Error(), AllOf(HasSubstr("codec.safetensors"), HasSubstr("truncated")));
}

TEST_F(VerifyTest, TheHeadMayHaveItsOtherName) {
  ChangeTensors("model", [](auto& tensors) {
    Find(tensors, checkpoint::kHeadName).name = checkpoint::kOtherHeadName;
  });
  EXPECT_EQ(Error(), "");
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("no fingerprint.json")));
}

TEST_F(VerifyTest, NotesTensorsThatNobodyUses) {
  const std::vector<std::byte> bytes(2);
  ChangeTensors("codec", [&](auto& tensors) {
    tensors.push_back({"buffer", {checkpoint::DType::kBool, {2}, bytes}});
  });
  EXPECT_EQ(Error(), "");
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("the first is buffer"), HasSubstr("fingerprint")));
}

TEST_F(VerifyTest, ComparesTheTokenizerWithTheConfiguration) {
  const auto set_id = [](const char* token, int64_t id) {
    return [=](Json& json) {
      for (Json& added : json.at("added_tokens")) {
        if (added.at("content") == token) added["id"] = id;
      }
    };
  };
  const std::string original = folder_.Read("tokenizer.json");
  for (const auto& [token, because] :
       {std::pair("<|im_end|>", "eos_token_id"), std::pair("<|pad|>", "pad_token_id"),
        std::pair("<|audio_pad|>", "audio_pad_token_id"),
        std::pair("<|semantic:7|>", "semantic_start_token_id")}) {
    ChangeJson("tokenizer.json", set_id(token, 3));
    EXPECT_THAT(Error(), AllOf(HasSubstr("tokenizer.json"), HasSubstr(token), HasSubstr("id 3"),
                               HasSubstr(because)));
    folder_.Write("tokenizer.json", original);
  }
  ChangeJson("tokenizer.json", set_id("<think>", 100000));
  EXPECT_THAT(Error(), AllOf(HasSubstr("<think>"), HasSubstr("vocab_size")));
  folder_.Write("tokenizer.json", original);
  ChangeJson("tokenizer.json", [](Json& json) {
    for (Json& added : json.at("added_tokens")) {
      if (added.at("content") == "<|voice|>") added["content"] = "<|voices|>";
    }
  });
  EXPECT_THAT(Error(), HasSubstr("token <|voice|> is missing"));
  folder_.Write("tokenizer.json", original);
  ChangeJson("tokenizer.json", [](Json& json) { json["model"]["vocab"]["zz"] = 100000; });
  EXPECT_THAT(Error(), AllOf(HasSubstr("\"zz\""), HasSubstr("vocab_size")));
  for (const char* wrong : {"[]", "{}", R"({"added_tokens":[1]})", "{"}) {
    folder_.Write("tokenizer.json", wrong);
    EXPECT_THAT(Error(), HasSubstr("tokenizer.json")) << wrong;
  }
  std::filesystem::remove(folder_.File("tokenizer.json"));
  EXPECT_THAT(Error(), HasSubstr("tokenizer.json"));
}

TEST_F(VerifyTest, ReadsTheDefaultsOfSampling) {
  folder_.Write("generation_config.json", R"({"top_p": 0.9, "shoal": {"max_frames": 100}})");
  EXPECT_EQ(Error(), "");
  folder_.Write("generation_config.json", R"({"top_p": 0.9, "shoal": {"frames": 100}})");
  EXPECT_THAT(Error(), HasSubstr("generation_config.json: shoal has the key \"frames\""));
}

TEST_F(VerifyTest, FindsAFingerprintOfOtherBytes) {
  std::string tokenizer = folder_.Read("tokenizer.json");
  tokenizer.back() = ' ';  // the same size, the same meaning, other bytes
  folder_.Write("tokenizer.json", tokenizer);
  EXPECT_THAT(Error(), AllOf(HasSubstr("fingerprint.json"), HasSubstr("tokenizer")));
}

TEST_F(VerifyTest, SaysWhatAFolderLacks) {
  std::filesystem::remove(folder_.File("codec.json"));
  EXPECT_THAT(Error(), AllOf(HasSubstr("codec.json"), HasSubstr("convert-codec")));
  EXPECT_THAT(std::string(VerifyCheckpoint("/nowhere").status().message()),
              HasSubstr("/nowhere/config.json"));
}

}  // namespace
}  // namespace shoal::tools
