shoal_test(philox_test SOURCES philox_test.cc DEPS ar_engine_policy LABELS unit)
shoal_test(sampler_test SOURCES sampler_test.cc DEPS ar_engine_policy LABELS unit)
shoal_library(ar_engine_policy_testing DIR tests/services/ar_engine DEPS ar_engine_policy)
foreach(name sampler_statistics_test sampler_independence_test)
  shoal_test(${name} SOURCES ${name}.cc DEPS ar_engine_policy_testing LABELS engine unit)
endforeach()
shoal_test(sampler_golden_test SOURCES sampler_golden_test.cc
  DEPS ar_engine_policy_testing test_support LABELS engine golden)
shoal_test(prefix_cache_test SOURCES prefix_cache_test.cc DEPS ar_engine_policy LABELS engine unit)
shoal_library(prefix_workload DIR tests/services/ar_engine
  SOURCES prefix_model.cc prefix_workload.cc DEPS ar_engine_policy absl::span absl::strings)
shoal_test(failed_step_test SOURCES failed_step_test.cc DEPS ar_engine_policy_testing
  LABELS engine unit)
shoal_test(prefix_property_test SOURCES prefix_property_test.cc DEPS prefix_workload
  LABELS engine unit)
foreach(name admission_queue_test block_pool_test engine_property_test engine_test
             model_executor_test precedence_test scheduler_test step_cost_test)
  shoal_test(${name} SOURCES ${name}.cc DEPS ar_engine_policy_testing LABELS engine unit)
endforeach()
shoal_test(self_check_test SOURCES self_check_test.cc DEPS ar_engine_policy_testing LABELS unit)
shoal_test(generate_check_test SOURCES generate_check_test.cc DEPS ar_engine_service LABELS unit)

# A stage played by a test.
shoal_library(pipeline_peer DIR tests/services/ar_engine DEPS transport)
shoal_test(engine_service_test SOURCES engine_service_memory_test.cc engine_service_test.cc
  DEPS ar_engine_service ar_engine_policy_testing pipeline_peer LABELS engine unit)
shoal_test(engine_flags_test SOURCES engine_flags_test.cc DEPS ar_engine_service LABELS unit)
