// Every limit and time of the front, filled from flags by main and by tests as they need. Plain
// values.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_OPTIONS_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "services/preprocess/front/speech_length.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::preprocess {

// What one request may ask for. GetServerInfo tells the first four.
struct RequestLimits {
  int64_t max_text_bytes = 1 << 20;  // per call
  int64_t max_reference_bytes = 16 << 20;
  double max_reference_seconds = 60;
  int max_references = 8;
  int64_t max_transcript_bytes = 4096;  // per reference
};

// How long a session may do what.
struct SessionLimits {
  // Audio that waits for a slow client: the stages are asked for no more than fits. Past half of it
  // no further turn is begun, and the client must take some within `client_stall`. Past twice of
  // it, which is more than was asked for, the session ends at once.
  int64_t max_waiting_audio_bytes = 16 << 20;
  absl::Duration client_stall = absl::Seconds(30);
  absl::Duration text_stall = absl::Minutes(5);  // nothing to speak and nothing comes
  absl::Duration max_session = absl::Hours(1);
  int max_waiting_inputs = 1024;  // text pieces and flushes not yet spoken; more are not read
  // An engine that could not make a streamed call's first frame before then refuses it at once.
  // Zero: any wait will do. A client's own deadline counts as well, in every call.
  absl::Duration first_audio_wait = absl::Seconds(30);
  SpeechLengthLimits speech_length = {};
};

struct RouterLimits {
  absl::Duration stage_silence = absl::Seconds(60);  // a stage that owes an answer
  absl::Duration gap = absl::Seconds(2);             // for a missing frame to arrive late
  int max_held_chunks = 64;                          // audio ahead of a missing frame
  absl::Duration retry_after = absl::Seconds(1);     // told to clients, and between own retries
  // What the listener has is told to the stages at least this often while a turn is heard.
  absl::Duration credit_interval = absl::Milliseconds(500);
};

struct FrontOptions {
  RequestLimits request;
  SessionLimits session;
  RouterLimits router;
  int max_streams = 256;  // sessions at once
  // Where a request leaves it unspecified; unspecified here as well: as the checkpoint says.
  tts::v1::ResidualSampling residual_sampling = tts::v1::RESIDUAL_SAMPLING_UNSPECIFIED;
  int64_t max_synthesize_bytes = 4 << 20;  // of a SynthesizeResponse: gRPC clients refuse more

  int reference_workers = 1;
  int max_waiting_references = 64;           // recordings waiting for a worker
  int64_t reference_cache_bytes = 64 << 20;  // codes of recordings seen before, in memory
  std::string reference_cache_dir;           // and on disk; empty: none
  int64_t reference_cache_mb = 256;          // on disk
  int text_workers = 1;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_OPTIONS_H_
