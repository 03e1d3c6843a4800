// shoal: the command-line client.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "client/health_command.h"
#include "client/info_command.h"
#include "client/say.h"
#include "client/say_flags.h"
#include "common/service/flag_set.h"
#include "common/service/shutdown.h"

namespace shoal::client {
namespace {

constexpr char kUsage[] =
    "shoal: speaks through a Shoal server.\n"
    "\n"
    "Usage: shoal say [TEXT...] -o FILE [flags]   speaks TEXT, or the standard input as it comes\n"
    "       shoal health [--server HOST:PORT]     exits 0 when the server is SERVING\n"
    "       shoal info [--server HOST:PORT]       what the server runs\n"
    "\n"
    "shoal COMMAND --help lists the flags; --version tells the version.\n"
    "Exit codes: 0 done, 1 the server refused or was not reached, 2 bad usage, 130 interrupted.\n";

int RunSay(int argc, const char* const* argv) {
  SayFlags flags;
  service::FlagSet set("shoal say", "Speaks a text, or the standard input as it arrives.");
  AddSayFlags(set, &flags);
  std::vector<const char*> arguments(argv, argv + argc);
  flags.recordings = TakeRecordings(&arguments);
  set.ParseOrExit(static_cast<int>(arguments.size()), arguments.data());
  const absl::StatusOr<SayOptions> options = OptionsOf(flags);
  if (!options.ok()) set.Fail(options.status().message());
  const auto signals = service::Shutdown::Start();
  if (!signals.ok()) set.Fail(signals.status().message());
  return Say(*options, Console(), signals->get());
}

int RunServerCommand(const char* name, const char* purpose,
                     int (*command)(const std::string&, const Console&), int argc,
                     const char* const* argv) {
  std::string server = kDefaultServer;
  service::FlagSet set(name, purpose);
  set.Add("server", &server, "host:port of the server");
  set.ParseOrExit(argc, argv);
  return command(server, Console());
}

std::string Misuse(const std::string& argument) {
  if (argument.empty()) return "a command is missing";
  if (argument[0] != '-') return "unknown command \"" + argument + "\"";
  return "unknown flag " + argument.substr(0, argument.find('=')) + " in place of a command";
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
    std::fputs(service::FlagSet("shoal", "").VersionText().c_str(), stdout);
    return kOk;
  }
  std::fprintf(stderr, "shoal: %s; expected say, health or info (shoal --help tells more)\n",
               Misuse(command).c_str());
  return kBadUsage;
}

}  // namespace
}  // namespace shoal::client

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error like any other, and gets its message
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);  // every failure is told once, by the command
  return shoal::client::Run(argc, argv);
}
