// A gRPC status for people: the code, what was wrong with which field, whether a retry helps.
#ifndef SHOAL_CLIENT_STATUS_REPORT_H_
#define SHOAL_CLIENT_STATUS_REPORT_H_

#include <string>

#include "grpcpp/support/status.h"

namespace shoal::client {

// Lines without the last line break:
//   INVALID_ARGUMENT (INVALID_FIELD): config.sampling.top_p: 2 is out of range; ...
//     config.sampling.top_p: 2 is out of range; expected a number in (0, 1]
//     try again in 1 s
std::string DescribeStatus(const grpc::Status& status);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_STATUS_REPORT_H_
