// shoal: the command-line client.

#include <cstdio>
#include <string>

#include "client/say.h"
#include "client/say_flags.h"
#include "client/server_commands.h"
#include "common/service/flag_set.h"
#include "common/service/version.h"

namespace shoal::client {
namespace {

constexpr char kUsage[] =
    "shoal: speaks through a Shoal server.\n"
    "\n"
    "Usage: shoal say [TEXT...] -o FILE [flags]   speaks TEXT, or the standard input as it comes\n"
    "       shoal health [--server HOST:PORT]     exits 0 when the server is SERVING\n"
    "       shoal info [--server HOST:PORT]       what the server runs\n"
    "\n"
    "shoal COMMAND --help lists the flags. Exit codes: 0 done, 1 the server refused or was not\n"
    "reached, 2 bad usage.\n";

int RunSay(int argc, const char* const* argv) {
  SayFlags flags;
  service::FlagSet set("shoal say", "Speaks a text, or the standard input as it arrives.");
  AddSayFlags(set, &flags);
  set.ParseOrExit(argc, argv);
  const absl::StatusOr<SayOptions> options = OptionsOf(flags);
  if (!options.ok()) set.Fail(options.status().message());
  return Say(*options, Console());
}

int RunServerCommand(const char* name, const char* purpose,
                     int (*command)(const std::string&, const Console&), int argc,
                     const char* const* argv) {
  std::string server = SayOptions().server;
  service::FlagSet set(name, purpose);
  set.Add("server", &server, "host:port of the server");
  set.ParseOrExit(argc, argv);
  return command(server, Console());
}

int Run(int argc, const char* const* argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "say") return RunSay(argc - 1, argv + 1);
  if (command == "health") {
    return RunServerCommand("shoal health", "Asks whether a server can speak.", &Health, argc - 1,
                            argv + 1);
  }
  if (command == "info") {
    return RunServerCommand("shoal info", "Asks a server what it runs.", &Info, argc - 1, argv + 1);
  }
  if (command == "--help" || command == "-h" || command == "help") {
    std::fputs(kUsage, stdout);
    return kOk;
  }
  if (command == "--version") {
    std::printf("shoal %s\n", service::Version());
    return kOk;
  }
  std::fprintf(stderr, "shoal: %s; expected say, health or info (shoal --help)\n",
               command.empty() ? "no command" : ("unknown command \"" + command + "\"").c_str());
  return kBadUsage;
}

}  // namespace
}  // namespace shoal::client

int main(int argc, char** argv) { return shoal::client::Run(argc, argv); }
