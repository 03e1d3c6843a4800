#include "services/preprocess/references/reference_metrics.h"

namespace shoal::preprocess {
namespace {

constexpr char kHits[] = "shoal_voice_cache_hits_total";
constexpr char kHitsHelp[] = "Recordings whose codes were there already, by where they were found";
constexpr char kBytes[] = "shoal_voice_cache_bytes";
constexpr char kBytesHelp[] = "Size of the codes that are kept";
constexpr char kEvictions[] = "shoal_voice_cache_evictions_total";
constexpr char kEvictionsHelp[] = "Recordings whose codes had to make room for others";

}  // namespace

ReferenceMetrics::ReferenceMetrics(service::Metrics* metrics)
    : encode_seconds(metrics->Histogram("shoal_reference_encode_seconds",
                                        "Decoding and encoding one uploaded recording",
                                        service::LatencyBuckets())),
      encoding(metrics->Gauge("shoal_references_encoding", "Recordings that are being encoded")),
      waiting(metrics->Gauge("shoal_references_waiting", "Recordings that wait to be encoded")),
      audio_left(metrics->Gauge("shoal_reference_audio_left_seconds",
                                "Audio still to be encoded of the recordings being encoded")),
      stopped(metrics->Counter("shoal_reference_encodes_stopped_total",
                               "Recordings given up because nobody waited for them any more")),
      memory_hits(metrics->Counter(kHits, kHitsHelp, {{"tier", "memory"}})),
      disk_hits(metrics->Counter(kHits, kHitsHelp, {{"tier", "disk"}})),
      in_flight_hits(metrics->Counter(kHits, kHitsHelp, {{"tier", "in_flight"}})),
      misses(
          metrics->Counter("shoal_voice_cache_misses_total", "Recordings that had to be encoded")),
      memory_bytes(metrics->Gauge(kBytes, kBytesHelp, {{"tier", "memory"}})),
      disk_bytes(metrics->Gauge(kBytes, kBytesHelp, {{"tier", "disk"}})),
      memory_evictions(metrics->Counter(kEvictions, kEvictionsHelp, {{"tier", "memory"}})),
      disk_evictions(metrics->Counter(kEvictions, kEvictionsHelp, {{"tier", "disk"}})),
      disk_errors(metrics->Counter(
          "shoal_voice_cache_disk_errors_total",
          "Damaged codes dropped, files moved aside, reads and writes the disk refused")) {}

}  // namespace shoal::preprocess
