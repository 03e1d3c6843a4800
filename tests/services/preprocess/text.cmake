shoal_library(small_tokenizer DIR tests/services/preprocess
  SOURCES small_tokenizer.cc
  DEPS preprocess_text)
shoal_test(preprocess_text_test
  SOURCES bpe_test.cc bpe_queue_test.cc pre_tokenizer_test.cc pre_tokenizer_pattern_test.cc prompt_test.cc
          text_splitter_test.cc text_splitter_boundaries_test.cc tokenizer_test.cc
          tokenizer_added_tokens_test.cc tokenizer_file_test.cc tokenizer_nfc_test.cc turns_test.cc
          utf8_test.cc
  DEPS preprocess_text small_tokenizer LABELS unit)
shoal_test(preprocess_text_golden_test SOURCES tokenizer_golden_test.cc prompt_golden_test.cc
  DEPS preprocess_text test_support LABELS golden)

# Linear time, by counted instructions. Valgrind cannot run sanitised binaries.
if(NOT SHOAL_SANITIZE)
  shoal_binary(text_cost SOURCES text_cost.cc DEPS preprocess_text test_support)
  add_test(NAME text_cost_test
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/text_cost_test.sh $<TARGET_FILE:text_cost>)
  set_tests_properties(text_cost_test PROPERTIES LABELS unit SKIP_RETURN_CODE 77 TIMEOUT 600)
endif()
