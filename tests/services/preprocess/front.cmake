shoal_library(fake_encoder DIR tests/services/preprocess
  SOURCES fake_encoder.cc
  DEPS preprocess_references)
shoal_library(front_test_support DIR tests/services/preprocess
  SOURCES fake_stages.cc front_fixture.cc
  DEPS fake_encoder preprocess_front small_tokenizer speech_client proto_health transport)
shoal_test(preprocess_service_test
  SOURCES bad_input_test.cc reference_upload_test.cc slow_client_test.cc stage_failure_test.cc tts_service_test.cc
  DEPS front_test_support audio_test_support test_support LABELS unit)
shoal_test(preprocess_front_test
  SOURCES audio_encoder_test.cc call_input_test.cc conversation_test.cc errors_test.cc
          front_loop_test.cc listener_clock_test.cc outbox_test.cc request_check_test.cc sampling_defaults_test.cc
          speech_length_test.cc stage_errors_test.cc stage_peers_test.cc text_queue_test.cc
          turn_audio_test.cc
  DEPS front_test_support audio_test_support LABELS unit)
shoal_test(preprocess_references_test
  SOURCES encoded_reference_test.cc reference_cache_test.cc reference_store_test.cc
          reference_store_crash_test.cc
  DEPS fake_encoder audio_test_support test_support LABELS unit vocoder)
include(mutations.cmake)
if(SHOAL_TORCH)
  shoal_test(codec_reference_encoder_test SOURCES codec_reference_encoder_test.cc
    DEPS preprocess_codec codec_test_support LABELS unit vocoder)
  set_tests_properties(codec_reference_encoder_test PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
endif()
