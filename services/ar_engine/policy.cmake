# Policy of the engine (what runs when, in which blocks, and how a code is drawn): no torch and no
# sockets, so it runs under sanitizers.
shoal_library(ar_engine_policy DIR services/ar_engine
  SOURCES block_pool.cc engine.cc sampler.cc scheduler.cc sequence.cc
  DEPS absl::function_ref absl::span absl::status absl::statusor absl::strings)
