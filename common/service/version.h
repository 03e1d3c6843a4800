// The version of this build, the same for every binary.
#ifndef SHOAL_COMMON_SERVICE_VERSION_H_
#define SHOAL_COMMON_SERVICE_VERSION_H_

namespace shoal::service {

const char* Version();   // "0.1.0"
const char* Compiler();  // "gcc 12.2.0"

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_VERSION_H_
