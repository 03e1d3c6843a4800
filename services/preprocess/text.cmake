shoal_library(preprocess_text DIR services/preprocess
  SOURCES bpe.cc bpe_queue.cc pre_tokenizer.cc pre_tokenizer_pattern.cc prompt.cc text_splitter.cc
          text_splitter_boundaries.cc tokenizer.cc tokenizer_added_tokens.cc tokenizer_file.cc
          tokenizer_json.cc tokenizer_nfc.cc turns.cc utf8.cc
  DEPS absl::flat_hash_map absl::flat_hash_set absl::function_ref absl::span absl::status
       absl::statusor absl::str_format absl::strings PkgConfig::Icu PkgConfig::Pcre2)
