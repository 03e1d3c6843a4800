# Uploaded recordings as codes, kept in memory and on disk. No torch: a recording's encoder comes in
# through reference_encoder.h.
shoal_library(preprocess_references DIR services/preprocess
  SOURCES encoded_reference.cc errors.cc reference_cache.cc reference_metrics.cc reference_store.cc
          sqlite_file.cc worker_pool.cc
  DEPS audio service proto_rpc gRPC::grpc++ PkgConfig::Sodium PkgConfig::Sqlite absl::any_invocable)

# The front: everything between a client's call and the stages. No torch, so it runs under
# sanitizers.
shoal_library(preprocess_front DIR services/preprocess
  SOURCES audio_encoder.cc call_input.cc conversation.cc front_flags.cc front_loop.cc front_metrics.cc
          front_server.cc listener_clock.cc outbox.cc request_check.cc request_parser.cc
          routed_stream.cc sampling_defaults.cc session.cc session_report.cc session_table.cc speech_length.cc
          speech_output.cc stage_errors.cc stage_messages.cc stage_peers.cc stream_router.cc
          streaming_call.cc text_queue.cc tts_service.cc turn_audio.cc voice_loader.cc
          whole_file_call.cc
  DEPS preprocess_references preprocess_text audio checkpoint service transport proto_tts proto_pipeline
       proto_rpc gRPC::grpc++ gRPC::grpc++_reflection PkgConfig::Sodium absl::any_invocable)

if(SHOAL_TORCH)
  # Without the precompiled ATen header: gRPC asks for -pthread, which that was not made with.
  shoal_library(preprocess_codec DIR services/preprocess
    SOURCES codec_reference_encoder.cc DEPS codec checkpoint preprocess_references torch)
  shoal_binary(shoal-preprocess SOURCES main.cc front_model.cc
    DEPS preprocess_codec preprocess_front)
endif()
