# Policy of the engine (what runs when, in which blocks, and how a code is drawn): no torch and no
# sockets, so it runs under sanitizers.
shoal_library(ar_engine_policy DIR services/ar_engine
  SOURCES sampler.cc
  DEPS absl::span absl::status absl::statusor)
