// How the front says no: an absl::Status that carries the details of google.rpc (BadRequest,
// RetryInfo, ErrorInfo) as payloads, and its form on the wire. docs/errors.md lists every reason.
// Free functions without state; any thread.
#ifndef SHOAL_SERVICES_PREPROCESS_ERRORS_ERRORS_H_
#define SHOAL_SERVICES_PREPROCESS_ERRORS_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace shoal::preprocess {

// Reasons of ErrorInfo that the front itself gives. Stages send further ones in Event.Failed.
namespace reason {
inline constexpr char kInvalidField[] = "INVALID_FIELD";
inline constexpr char kMalformed[] = "MALFORMED_MESSAGE";
inline constexpr char kConfigMissing[] = "CONFIG_MISSING";
inline constexpr char kConfigRepeated[] = "CONFIG_REPEATED";
inline constexpr char kTextEmpty[] = "TEXT_EMPTY";
inline constexpr char kTextTooLong[] = "TEXT_TOO_LONG";
inline constexpr char kTextNotUtf8[] = "TEXT_NOT_UTF8";
inline constexpr char kReferenceUnusable[] = "REFERENCE_UNUSABLE";
inline constexpr char kContextTooLong[] = "CONTEXT_TOO_LONG";
inline constexpr char kTooManyStreams[] = "TOO_MANY_STREAMS";
inline constexpr char kTooManyReferences[] = "REFERENCE_QUEUE_FULL";
inline constexpr char kStagesBusy[] = "STAGES_BUSY";
inline constexpr char kResultTooLarge[] = "RESULT_TOO_LARGE";
inline constexpr char kNoEngine[] = "NO_ENGINE";
inline constexpr char kNoVocoder[] = "NO_VOCODER";
inline constexpr char kEngineLost[] = "ENGINE_LOST";
inline constexpr char kVocoderLost[] = "VOCODER_LOST";
inline constexpr char kStageSilent[] = "STAGE_SILENT";
inline constexpr char kStageFailed[] = "STAGE_FAILED";
inline constexpr char kFramesLost[] = "FRAMES_LOST";
inline constexpr char kDraining[] = "DRAINING";
inline constexpr char kClientTooSlow[] = "CLIENT_TOO_SLOW";
inline constexpr char kClientGone[] = "CLIENT_GONE";
inline constexpr char kTextStalled[] = "TEXT_STALLED";
inline constexpr char kSessionTooLong[] = "SESSION_TOO_LONG";
inline constexpr char kInternal[] = "INTERNAL";
}  // namespace reason

// `status` with ErrorInfo{reason}.
absl::Status WithReason(absl::Status status, absl::string_view reason);

// INVALID_ARGUMENT with one BadRequest violation. `field` is the path from the request's root, e.g.
// "config.audio.sample_rate_hz"; `description` says what was found and what was expected.
absl::Status InvalidField(absl::string_view field, absl::string_view description,
                          absl::string_view reason = reason::kInvalidField);

// With RetryInfo: the same request may succeed after `delay`.
absl::Status RetryLater(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                        absl::Duration delay);

// ErrorInfo.reason; empty when there is none.
std::string ReasonOf(const absl::Status& status);

// The details become a google.rpc.Status in grpc-status-details-bin.
grpc::Status ToGrpc(const absl::Status& status);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_ERRORS_ERRORS_H_
