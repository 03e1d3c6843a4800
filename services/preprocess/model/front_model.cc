#include "services/preprocess/model/front_model.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "common/checkpoint/generation_config.h"
#include "services/preprocess/front/sampling_defaults.h"

namespace shoal::preprocess {
namespace {

// "models/voice/" and "models/voice" are both "voice".
std::string FolderName(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::canonical(directory, error);
  return error ? directory : path.filename().string();
}

absl::StatusOr<ModelFacts> FactsOf(const checkpoint::Checkpoint& checkpoint) {
  if (!checkpoint.has_model_config()) {
    return absl::NotFoundError(absl::StrCat(checkpoint.directory(), ": no config.json"));
  }
  const checkpoint::ModelConfig& model = checkpoint.model_config();
  const checkpoint::CodecConfig& codec = checkpoint.codec_config();
  if (model.num_codebooks != codec.num_codebooks()) {
    return absl::InvalidArgumentError(absl::StrCat(checkpoint.directory(), ": config.json has ",
                                                   model.num_codebooks, " codebooks, codec.json ",
                                                   codec.num_codebooks()));
  }
  ModelFacts facts;
  facts.name = FolderName(checkpoint.directory());
  facts.sample_rate_hz = static_cast<uint32_t>(codec.sample_rate);
  facts.frame_length = static_cast<uint32_t>(codec.frame_length);
  facts.num_codebooks = static_cast<uint32_t>(model.num_codebooks);
  facts.max_seq_len = model.text.max_seq_len;
  return facts;
}

}  // namespace

absl::StatusOr<FrontModel> LoadFrontModel(const std::string& directory, int threads) {
  const absl::StatusOr<checkpoint::Checkpoint> checkpoint =
      checkpoint::Checkpoint::Open(directory, {.transformer = false, .codec = true});
  if (!checkpoint.ok()) return checkpoint.status();
  absl::StatusOr<ModelFacts> facts = FactsOf(*checkpoint);
  if (!facts.ok()) return facts.status();
  const absl::StatusOr<checkpoint::GenerationConfig> generation =
      checkpoint::LoadGenerationConfig(directory);
  if (!generation.ok()) return generation.status();
  facts->sampling = FillSampling(ToSampling(*generation), DocumentedSampling());
  absl::StatusOr<checkpoint::Fingerprint> fingerprint = checkpoint->fingerprint();
  if (!fingerprint.ok()) return fingerprint.status();
  absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(directory + "/tokenizer.json");
  if (!tokenizer.ok()) return tokenizer.status();

  FrontModel model;
  model.facts = *std::move(facts);
  model.fingerprint.set_tokenizer(fingerprint->tokenizer);
  model.fingerprint.set_transformer(fingerprint->transformer);
  model.fingerprint.set_codec(fingerprint->codec);
  model.tokenizer = std::make_unique<const Tokenizer>(*std::move(tokenizer));
  const checkpoint::ModelConfig& config = checkpoint->model_config();
  absl::StatusOr<PromptBuilder> builder =
      PromptBuilder::Create(model.tokenizer.get(), {.semantic_start = config.semantic_start,
                                                    .semantic_end = config.semantic_end,
                                                    .num_codebooks = config.num_codebooks,
                                                    .codebook_entries = config.audio.vocab_size});
  if (!builder.ok()) return builder.status();
  model.builder = std::make_unique<const PromptBuilder>(*std::move(builder));
  absl::StatusOr<std::unique_ptr<CodecReferenceEncoder>> encoder =
      CodecReferenceEncoder::Load(*checkpoint, fingerprint->codec, threads);
  if (!encoder.ok()) return encoder.status();
  model.encoder = *std::move(encoder);
  return model;
}

}  // namespace shoal::preprocess
