shoal_test(philox_test SOURCES philox_test.cc DEPS ar_engine_policy LABELS unit)
shoal_test(sampler_test SOURCES sampler_test.cc DEPS ar_engine_policy LABELS unit)
shoal_test(sampler_golden_test SOURCES sampler_golden_test.cc
  DEPS ar_engine_policy test_support LABELS golden)
shoal_library(ar_engine_policy_testing DIR tests/services/ar_engine DEPS ar_engine_policy)
foreach(name block_pool_test scheduler_test engine_test)
  shoal_test(${name} SOURCES ${name}.cc DEPS ar_engine_policy_testing LABELS unit)
endforeach()
