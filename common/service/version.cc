#include "common/service/version.h"

namespace shoal::service {

const char* Version() { return SHOAL_VERSION; }

const char* Compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

}  // namespace shoal::service
