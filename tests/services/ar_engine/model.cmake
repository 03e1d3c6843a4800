if(SHOAL_TORCH)
  shoal_library(ar_engine_model_testing DIR tests/services/ar_engine
    SOURCES generation.cc mixed_turns.cc random_checkpoint.cc
    DEPS ar_engine_policy checkpoint absl::span)

  shoal_test(ar_engine_model_test
    SOURCES dual_ar_test.cc model_runner_test.cc paged_attention_test.cc step_rows_test.cc
    DEPS ar_engine_model ar_engine_model_testing reference_model
    LABELS unit ATEN)

  shoal_test(reproducibility_test SOURCES reproducibility_test.cc
    DEPS ar_engine_model ar_engine_model_testing
    LABELS engine unit ATEN)
  shoal_test(engine_reproducibility_test SOURCES engine_reproducibility_test.cc
    DEPS ar_engine_model ar_engine_model_testing ar_engine_policy_testing
    LABELS engine unit ATEN)
  # Alone: it counts what its process allocates.
  shoal_test(model_allocation_test SOURCES model_allocation_test.cc
    DEPS ar_engine_model ar_engine_model_testing
    LABELS engine unit ATEN)

  shoal_test(ar_engine_golden_test
    SOURCES generation_golden_test.cc model_golden_test.cc
    DEPS ar_engine_model ar_engine_model_testing test_support
    LABELS golden ATEN)
endif()
