# The two transformers of a checkpoint on ATen: needs libtorch.
if(SHOAL_TORCH)
  shoal_library(ar_engine_model DIR services/ar_engine
    SOURCES attention_kernel.cc fast_ar.cc kv_cache.cc model_runner.cc paged_attention.cc slow_ar.cc
            step_rows.cc transformer.cc
    DEPS checkpoint model ar_engine_policy torch absl::fixed_array absl::inlined_vector absl::span absl::status absl::statusor
         absl::strings
    ATEN)
endif()
