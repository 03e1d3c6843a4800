// `shoal health`: whether a server can speak.
#ifndef SHOAL_CLIENT_HEALTH_COMMAND_H_
#define SHOAL_CLIENT_HEALTH_COMMAND_H_

#include <string>

#include "client/console.h"

namespace shoal::client {

// Prints SERVING or what else it is, and returns the exit code: kOk only for SERVING.
int Health(const std::string& server, const Console& console);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_HEALTH_COMMAND_H_
