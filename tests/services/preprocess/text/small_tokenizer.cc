#include "tests/services/preprocess/text/small_tokenizer.h"

#include <stdexcept>

#include "services/preprocess/text/bpe.h"

namespace shoal::preprocess {

nlohmann::json SmallTokenizerJson() {
  nlohmann::json json = nlohmann::json::parse(R"json({
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split",
       "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
       "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
                       "use_regex": false},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
                "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
              "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
              "ignore_merges": false, "vocab": {}, "merges": [["a", "b"], ["ab", "c"]]}
  })json");
  nlohmann::json& vocab = json["model"]["vocab"];
  for (int byte = 0; byte < 256; ++byte) {
    vocab[ToByteLevel(std::string(1, static_cast<char>(byte)))] = byte;
  }
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  int id = 300;
  for (const char* content :
       {"<|im_start|>", "<|im_end|>", "<|voice|>", "<|phoneme_start|>", "<|phoneme_end|>",
        "<|semantic:0|>", "<|semantic:1|>", "<|semantic:2|>", "<|semantic:3|>"}) {
    json["added_tokens"].push_back({{"id", id++},
                                    {"content", content},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false},
                                    {"special", true}});
  }
  return json;
}

Tokenizer MakeTokenizer(const nlohmann::json& json) {
  absl::StatusOr<Tokenizer> tokenizer = Tokenizer::FromJson(json.dump());
  if (!tokenizer.ok()) throw std::runtime_error(tokenizer.status().ToString());
  return *std::move(tokenizer);
}

}  // namespace shoal::preprocess
