// `shoal health` and `shoal info`: what a server says about itself.
#ifndef SHOAL_CLIENT_SERVER_COMMANDS_H_
#define SHOAL_CLIENT_SERVER_COMMANDS_H_

#include <string>

#include "client/console.h"

namespace shoal::client {

// Prints SERVING or what else it is; the exit code is kOk only for SERVING.
int Health(const std::string& server, const Console& console);

// Prints one "name value" a line.
int Info(const std::string& server, const Console& console);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_SERVER_COMMANDS_H_
