#include "services/preprocess/front/front_metrics.h"

#include <algorithm>
#include <array>

#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

constexpr char kStreamsHelp[] = "Calls that ended";

constexpr std::array<const char*, 27> kReasons = {
    "",
    reason::kInvalidField,
    reason::kMalformed,
    reason::kConfigMissing,
    reason::kConfigRepeated,
    reason::kTextEmpty,
    reason::kTextTooLong,
    reason::kTextNotUtf8,
    reason::kReferenceUnusable,
    reason::kContextTooLong,
    reason::kTooManyStreams,
    reason::kTooManyReferences,
    reason::kStagesBusy,
    reason::kResultTooLarge,
    reason::kNoEngine,
    reason::kNoVocoder,
    reason::kEngineLost,
    reason::kVocoderLost,
    reason::kStageSilent,
    reason::kStageFailed,
    reason::kFramesLost,
    reason::kDraining,
    reason::kClientTooSlow,
    reason::kClientGone,
    reason::kTextStalled,
    reason::kSessionTooLong,
    reason::kInternal,
};

}  // namespace

FrontMetrics::FrontMetrics(service::Metrics* metrics)
    : time_to_first_audio_seconds(metrics->Histogram(
          "shoal_time_to_first_audio_seconds", "From the first text of a call to its first audio",
          service::LatencyBuckets())),
      inter_chunk_seconds(metrics->Histogram("shoal_inter_chunk_seconds",
                                             "Between two pieces of audio of one turn",
                                             service::LatencyBuckets())),
      request_duration_seconds(metrics->Histogram("shoal_request_duration_seconds",
                                                  "From a call's start to its end",
                                                  service::DurationBuckets())),
      audio_rtf(metrics->Histogram("shoal_audio_rtf",
                                   "Seconds spent on turns per second of their audio, per call",
                                   service::RtfBuckets())),
      audio_seconds(metrics->Counter("shoal_audio_seconds_total", "Audio made")),
      audio_underrun_seconds(metrics->Counter(
          "shoal_audio_underrun_seconds_total",
          "Time for which a player that began with the first audio of a turn had none left")),
      streams_continuous(metrics->Counter("shoal_streams_continuous_total",
                                          "Calls whose audio always came before it was due")),
      requests_running(metrics->Gauge("shoal_requests_running", "Calls that are open")),
      audio_waiting_bytes(
          metrics->Gauge("shoal_audio_waiting_bytes", "Audio that clients have not taken yet")),
      stage_messages_unexpected(metrics->Counter(
          "shoal_stage_messages_unexpected_total",
          "Messages of stages dropped: an unknown stream, a repeat, an older turn or attempt")),
      metrics_(metrics) {
  // A series that is there from the start can be told from one that never was.
  metrics_->Counter("shoal_streams_total", kStreamsHelp, {{"outcome", "ok"}, {"reason", ""}});
  for (const char* kind : {"runaway", "too_short"}) SuspectTurns(kind);
}

prometheus::Counter& FrontMetrics::SuspectTurns(const std::string& kind) {
  return metrics_->Counter(
      "shoal_turns_suspect_total",
      "Turns whose audio was ended as far too long for their text (runaway), or "
      "was far too short for it",
      {{"kind", kind}});
}

void FrontMetrics::CountSuspectTurn(const std::string& kind) { SuspectTurns(kind).Increment(); }

void FrontMetrics::CountStream(const std::string& outcome, const std::string& reason) {
  const bool known = std::find(kReasons.begin(), kReasons.end(), reason) != kReasons.end();
  metrics_
      ->Counter("shoal_streams_total", kStreamsHelp,
                {{"outcome", outcome}, {"reason", known ? reason : "OTHER"}})
      .Increment();
}

}  // namespace shoal::preprocess
