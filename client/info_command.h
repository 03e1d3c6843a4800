// `shoal info`: what a server runs, and its limits.
#ifndef SHOAL_CLIENT_INFO_COMMAND_H_
#define SHOAL_CLIENT_INFO_COMMAND_H_

#include <string>

#include "client/console.h"

namespace shoal::client {

// Prints one "name value" a line and returns the exit code.
int Info(const std::string& server, const Console& console);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_INFO_COMMAND_H_
