#include <filesystem>
#include <map>
#include <stdexcept>
#include <utility>

#include "common/checkpoint/model_config.h"
#include "tests/reference_model/golden_cases.h"
#include "tests/support/golden.h"
#include "tests/support/torch_file.h"

namespace shoal::reference {
namespace {

using testing::GoldenFile;
using testing::GoldenText;
namespace pickle = testing::pickle;

std::string CodecPth(const std::string& directory) {
  const auto store = checkpoint::TensorStore::Open(directory, "codec");
  if (!store.ok()) throw std::runtime_error(store.status().ToString());
  std::vector<std::pair<std::string, std::string>> items;
  std::map<std::string, std::string> storages;
  for (const std::string& name : store->names()) {
    const checkpoint::TensorView view = *store->Find(name);
    std::vector<int64_t> stride(view.shape.size());
    int64_t count = 1;
    for (size_t i = stride.size(); i-- > 0;) {
      stride[i] = count;
      count *= view.shape[i];
    }
    const std::string key = std::to_string(storages.size());
    items.emplace_back(
        name, pickle::Tensor(pickle::Storage("FloatStorage", key, count), 0, view.shape, stride));
    storages[key] =
        std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
  }
  return testing::TorchFile(pickle::StateDict(items), storages);
}

// The first codebooks of every array of codes.
void CopyPrompt(const std::string& file, int64_t num_codebooks, GoldenFolder& folder) {
  const GoldenFile golden(file);
  std::vector<GoldenArray> arrays;
  for (const std::string& name : golden.names()) {
    std::vector<int64_t> shape = golden.Shape(name), values = golden.I64(name);
    if (shape.size() == 2) {
      if (shape[0] < num_codebooks) throw std::runtime_error(file + " has too few codebooks");
      shape[0] = num_codebooks;
      values.resize(shape[0] * shape[1]);
    }
    arrays.push_back(Integers(name, shape, values));
  }
  folder.WriteArrays(file, arrays, {{"tolerance", "exact"}});
}

}  // namespace

void WriteCheckpoint(const std::string& directory, GoldenFolder& folder) {
  std::filesystem::remove_all(folder.Path("checkpoint"));
  std::filesystem::create_directories(folder.Path("checkpoint"));
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name == "config.json" || name == "tokenizer.json" || name == "fingerprint.json") continue;
    std::filesystem::copy(entry.path(), folder.Path("checkpoint/" + name));
    folder.List("checkpoint/" + name);
  }
  auto config = checkpoint::LoadModelConfig(directory);
  const auto ids = checkpoint::LoadModelConfig(testing::GoldenCheckpoint());
  if (!config.ok()) throw std::runtime_error(config.status().ToString());
  if (!ids.ok()) throw std::runtime_error(ids.status().ToString());
  if (config->text.vocab_size < ids->text.vocab_size) {
    throw std::runtime_error("the checkpoint needs a vocabulary of at least " +
                             std::to_string(ids->text.vocab_size));
  }
  config->semantic_start = ids->semantic_start;
  config->semantic_end = ids->semantic_end;
  config->eos_token_id = ids->eos_token_id;
  config->pad_token_id = ids->pad_token_id;
  config->audio_pad_token_id = ids->audio_pad_token_id;
  const absl::Status written = checkpoint::WriteModelConfig(folder.Path("checkpoint"), *config);
  if (!written.ok()) throw std::runtime_error(written.ToString());
  folder.List("checkpoint/config.json");
  folder.Write("checkpoint/tokenizer.json", GoldenText("checkpoint/tokenizer.json"));
  folder.Write("checkpoint/codec.pth", CodecPth(folder.Path("checkpoint")));
}

void WriteTexts(GoldenFolder& folder) {
  for (const std::string& file : testing::GoldenFiles("tokenizer/", ".jsonl")) {
    const std::string tokenizer = testing::GoldenCase(file).at("tokenizer");
    if (tokenizer != "checkpoint/tokenizer.json") folder.Write(tokenizer, GoldenText(tokenizer));
    folder.Write(file, GoldenText(file), {{"tokenizer", tokenizer}, {"tolerance", "exact"}});
  }
  const auto config = checkpoint::LoadModelConfig(folder.Path("checkpoint"));
  for (const std::string& file : testing::GoldenFiles("prompts/", ".safetensors")) {
    CopyPrompt(file, config->num_codebooks, folder);
  }
  folder.Write("prompts/prompts.json", GoldenText("prompts/prompts.json"));
  for (const char* file : {"generate/filter.safetensors", "generate/ras.json"}) {
    folder.Write(file, GoldenText(file), {{"tolerance", testing::GoldenCase(file)["tolerance"]}});
  }
}

}  // namespace shoal::reference
