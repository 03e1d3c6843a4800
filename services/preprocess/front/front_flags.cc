#include "services/preprocess/front/front_flags.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/transport/channel_flags.h"

namespace shoal::preprocess {
namespace {

void AddAddressFlags(service::FlagSet& set, FrontFlags* flags) {
  set.Add("checkpoint", &flags->checkpoint, "folder of the model; only its codec is loaded");
  set.Add("listen", &flags->server.listen, "host:port of the gRPC service; port 0 takes any");
  transport::AddChannelFlags(set, &flags->server.channel);
  set.Add("engine", &flags->engines, "inboxes of the engines to use");
  set.Add("vocoder", &flags->vocoders, "inboxes of the vocoders to use");
  set.Add("max-connection-age", &flags->server.max_connection_age,
          "after which a client's connection is asked to reconnect; its calls go on");
}

void AddRequestFlags(service::FlagSet& set, FrontOptions* front) {
  RequestLimits& request = front->request;
  set.Add("max-streams", &front->max_streams, "calls that may be open at once");
  set.Add("max-text-bytes", &request.max_text_bytes, "UTF-8 bytes of text in one call");
  set.Add("max-reference-bytes", &request.max_reference_bytes, "of one uploaded recording");
  set.Add("max-reference-seconds", &request.max_reference_seconds, "of one uploaded recording");
  set.Add("max-references", &request.max_references, "recordings in one call");
  set.Add("max-transcript-bytes", &request.max_transcript_bytes, "of one recording's transcript");
  set.Add("max-synthesize-bytes", &front->max_synthesize_bytes, "of a Synthesize response");
}

void AddSessionFlags(service::FlagSet& set, FrontOptions* front) {
  SessionLimits& session = front->session;
  set.Add("max-waiting-audio-bytes", &session.max_waiting_audio_bytes,
          "audio kept for a client that does not take it; its stream pauses when that is full");
  set.Add("client-stall", &session.client_stall,
          "how long a client may take nothing while more than half of that waits");
  set.Add("text-stall", &session.text_stall,
          "how long a call may have nothing to speak and send nothing");
  set.Add("max-session", &session.max_session, "how long a call may last");
  set.Add("stage-silence", &front->router.stage_silence,
          "how long an engine or vocoder may owe an answer");
  set.Add("first-audio-wait", &session.first_audio_wait,
          "a streamed call whose first audio would take longer is refused at once; 0 = any wait "
          "will do");
}

void AddSpeechLengthFlags(service::FlagSet& set, SpeechLengthLimits* limits) {
  set.Add("most-speech-per-byte", &limits->most_seconds_per_byte,
          "seconds that a byte of text may be spoken for: a turn that is longer is ended as a "
          "runaway; 0 = off");
  set.Add("most-speech-extra", &limits->most_extra_seconds,
          "seconds that any turn may be longer than that");
  set.Add("least-speech-per-byte", &limits->least_seconds_per_byte,
          "seconds that a byte of text takes at least, or a warning says so; 0 = off");
}

void AddWorkFlags(service::FlagSet& set, FrontFlags* flags) {
  FrontOptions& front = flags->server.front;
  set.AddChoice("residual-sampling", &flags->residual_sampling, {"sampled", "greedy"},
                "how residual codebooks are drawn where a request does not say; none: as the "
                "checkpoint says");
  set.Add("reference-workers", &front.reference_workers, "recordings encoded at once");
  set.Add("max-waiting-references", &front.max_waiting_references,
          "recordings that may wait to be encoded");
  set.Add("reference-cache-bytes", &front.reference_cache_bytes,
          "memory for the codes of recordings seen before");
  set.Add("reference-cache-dir", &front.reference_cache_dir,
          "folder that keeps them over restarts; processes may share it; empty: memory only");
  set.Add("reference-cache-mb", &front.reference_cache_mb, "size of that folder, in MiB");
  set.Add("text-workers", &front.text_workers, "threads that lay out prompts");
  set.Add("threads", &flags->threads, "threads that encode one recording");
}

absl::Status CheckPositive(const char* flag, double value) {
  if (value > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": ", value, "; expected more than 0"));
}

}  // namespace

void AddFrontFlags(service::FlagSet& flag_set, FrontFlags* flags) {
  AddAddressFlags(flag_set, flags);
  AddRequestFlags(flag_set, &flags->server.front);
  AddSessionFlags(flag_set, &flags->server.front);
  AddSpeechLengthFlags(flag_set, &flags->server.front.session.speech_length);
  AddWorkFlags(flag_set, flags);
  service::AddServiceFlags(flag_set, &flags->service);
}

absl::Status FinishFrontFlags(FrontFlags* flags) {
  if (flags->checkpoint.empty()) {
    return absl::InvalidArgumentError("--checkpoint: expected the folder of a model");
  }
  if (absl::Status status = transport::CheckChannelFlags(flags->server.channel); !status.ok()) {
    return status;
  }
  FrontOptions& front = flags->server.front;
  const std::pair<const char*, double> positive[] = {
      {"max-streams", front.max_streams},
      {"max-text-bytes", static_cast<double>(front.request.max_text_bytes)},
      {"max-reference-bytes", static_cast<double>(front.request.max_reference_bytes)},
      {"max-reference-seconds", front.request.max_reference_seconds},
      {"max-references", front.request.max_references},
      {"max-synthesize-bytes", static_cast<double>(front.max_synthesize_bytes)},
      {"max-waiting-audio-bytes", static_cast<double>(front.session.max_waiting_audio_bytes)},
      {"client-stall", absl::ToDoubleSeconds(front.session.client_stall)},
      {"text-stall", absl::ToDoubleSeconds(front.session.text_stall)},
      {"max-session", absl::ToDoubleSeconds(front.session.max_session)},
      {"stage-silence", absl::ToDoubleSeconds(front.router.stage_silence)},
      {"reference-workers", front.reference_workers},
      {"max-waiting-references", front.max_waiting_references},
      {"reference-cache-mb", static_cast<double>(front.reference_cache_mb)},
      {"text-workers", front.text_workers},
      {"threads", flags->threads},
  };
  for (const auto& [flag, value] : positive) {
    if (absl::Status status = CheckPositive(flag, value); !status.ok()) return status;
  }
  const SpeechLengthLimits& speech = front.session.speech_length;
  const std::pair<const char*, double> not_negative[] = {
      {"first-audio-wait", absl::ToDoubleSeconds(front.session.first_audio_wait)},
      {"most-speech-per-byte", speech.most_seconds_per_byte},
      {"most-speech-extra", speech.most_extra_seconds},
      {"least-speech-per-byte", speech.least_seconds_per_byte},
  };
  for (const auto& [flag, value] : not_negative) {
    if (value >= 0) continue;  // NaN is not
    return absl::InvalidArgumentError(
        absl::StrCat("--", flag, ": ", value, "; expected 0 or more"));
  }
  // GetServerInfo tells limits in 32 bits.
  for (const auto& [flag, value] : positive) {
    if (value > std::numeric_limits<int32_t>::max()) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", value, " is too large"));
    }
  }
  if (!flags->residual_sampling.empty()) {
    front.residual_sampling =
        flags->residual_sampling == "greedy" ? tts::v1::RESIDUAL_GREEDY : tts::v1::RESIDUAL_SAMPLED;
  }
  flags->server.channel.dial = flags->engines;
  flags->server.channel.dial.insert(flags->server.channel.dial.end(), flags->vocoders.begin(),
                                    flags->vocoders.end());
  return absl::OkStatus();
}

}  // namespace shoal::preprocess
