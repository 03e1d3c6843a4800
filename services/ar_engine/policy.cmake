# Policy of the engine (what runs when, in which blocks, and how a code is drawn): no torch and no
# sockets, so it runs under sanitizers.
shoal_library(ar_engine_policy DIR services/ar_engine
  SOURCES admission_queue.cc block_pool.cc engine.cc eviction_order.cc kv_memory.cc
          model_executor.cc precedence.cc prefix_cache.cc sampler.cc scheduler.cc self_check.cc
          sequence.cc step_cost.cc
  DEPS absl::cord absl::function_ref absl::hash absl::span absl::status absl::statusor absl::strings
       Threads::Threads)

# The engine on the pipeline network, for any FrameModel.
shoal_library(ar_engine_service DIR services/ar_engine
  SOURCES engine_flags.cc engine_metrics.cc engine_service.cc generate_check.cc
          test_gate.cc turn_outlet.cc
  DEPS ar_engine_policy checkpoint service stage transport proto_pipeline absl::str_format
       absl::time)

if(SHOAL_TORCH)
  shoal_binary(shoal-ar-engine SOURCES main.cc
    DEPS ar_engine_model ar_engine_service checkpoint service transport)
endif()
