// What a refused call looks like on the terminal. No state; any thread.
#ifndef SHOAL_CLIENT_STATUS_TEXT_H_
#define SHOAL_CLIENT_STATUS_TEXT_H_

#include <grpcpp/grpcpp.h>

#include <string>

namespace shoal::client {

// "INVALID_ARGUMENT"; "CODE 99" for a number that gRPC does not know.
std::string CodeName(grpc::StatusCode code);

// The code and the message, then a line for each wrong field, the reason, and when to try again, as
// far as the status tells them. Every line ends in a line feed; control characters of the server's
// are shown as blanks.
//   INVALID_ARGUMENT: config.sampling.temperature: expected 0..10, got -1
//     config.sampling.temperature: expected 0..10, got -1
//     reason BAD_FIELD
//     try again after 2 s
std::string StatusText(const grpc::Status& status);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_STATUS_TEXT_H_
