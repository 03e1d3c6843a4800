shoal_test(philox_test SOURCES philox_test.cc DEPS ar_engine_policy LABELS unit)
shoal_test(sampler_test SOURCES sampler_test.cc DEPS ar_engine_policy LABELS unit)
shoal_test(sampler_golden_test SOURCES sampler_golden_test.cc
  DEPS ar_engine_policy test_support LABELS golden)
