// Turns the bytes of a request into a message, and says which field is wrong where that fails.
// gRPC's own parsing would tell neither: a message that does not parse looks like the end of the
// stream. Free functions without state; any thread.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_REQUEST_PARSER_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_REQUEST_PARSER_H_

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"

namespace shoal::preprocess {

// INVALID_ARGUMENT: not a message of this type, or a string field that is not UTF-8, by its path
// ("config.references[1].transcript").
absl::Status ParseRequest(const grpc::ByteBuffer& bytes, google::protobuf::Message* request);

// The other way; never fails for a message that was built here.
grpc::ByteBuffer SerializeResponse(const google::protobuf::Message& response);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_REQUEST_PARSER_H_
