#include "tests/system/deployment.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <filesystem>
#include <iostream>
#include <sstream>

namespace shoal::testing {
namespace {

std::string Name(StageName stage) {
  switch (stage) {
    case StageName::kPreprocess:
      return "preprocess";
    case StageName::kEngine:
      return "ar-engine";
    case StageName::kVocoder:
      return "vocoder";
  }
  return "";
}

}  // namespace

Deployment::Deployment(Options options)
    : options_(std::move(options)),
      folder_(MakeScratchFolder("shoal-system")),
      grpc_port_(FreePort()) {
  for (const StageName stage : {StageName::kPreprocess, StageName::kEngine, StageName::kVocoder}) {
    admin_port_[stage] = FreePort();
  }
}

Deployment::~Deployment() {
  if (::testing::Test::HasFailure()) std::cerr << Logs();
  processes_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<std::string> Deployment::Command(StageName stage) const {
  const auto inbox = [&](StageName s) { return "ipc://" + folder_ + "/ipc/" + Name(s); };
  std::vector<std::string> command = {
      std::string(SHOAL_BINARY_DIR) + "/shoal-" + Name(stage),
      "--checkpoint=" + options_.checkpoint,
      "--inbox=" + inbox(stage),
      "--admin-listen=127.0.0.1:" + std::to_string(admin_port_.at(stage)),
      // Tests kill what they want dead; a machine that is busy kills nobody.
      "--peer-silence=20s",
  };
  if (stage == StageName::kPreprocess) {
    command.push_back("--listen=" + front_address());
    command.push_back("--engine=" + inbox(StageName::kEngine));
    command.push_back("--vocoder=" + inbox(StageName::kVocoder));
  }
  const auto extra = options_.flags.find(stage);
  if (extra != options_.flags.end()) {
    command.insert(command.end(), extra->second.begin(), extra->second.end());
  }
  return command;
}

void Deployment::Start(StageName stage) {
  processes_[stage] =
      std::make_unique<Process>(Process::Options{.command = Command(stage),
                                                 .environment = {{"OMP_WAIT_POLICY", "PASSIVE"}},
                                                 .log_file = folder_ + "/" + Name(stage) + ".log",
                                                 .output_file = "",
                                                 .input_file = ""});
}

void Deployment::StartAll() {
  for (const StageName stage : {StageName::kVocoder, StageName::kEngine, StageName::kPreprocess}) {
    Start(stage);
  }
  AwaitReady(StageName::kPreprocess);
}

void Deployment::AwaitReady(StageName stage) {
  process(stage).WaitUntil("it is ready", [&] {
    int status = 0;
    Get(stage, "/readyz", &status);
    return status == 200;
  });
}

void Deployment::Kill(StageName stage) {
  process(stage).Signal(SIGKILL);
  process(stage).Wait();
  processes_.erase(stage);
}

std::string Deployment::Logs() const {
  std::string logs;
  for (const auto& [stage, process] : processes_) {
    logs += "---- " + Name(stage) + "\n" + LastLines(process->Log(), 4000);
  }
  return logs;
}

std::string Deployment::front_address() const { return "127.0.0.1:" + std::to_string(grpc_port_); }

std::string Deployment::Get(StageName stage, const std::string& path, int* status) const {
  namespace http = boost::beast::http;
  boost::asio::io_context context;
  boost::beast::tcp_stream stream(context);
  boost::beast::error_code error;
  stream.connect(
      {boost::asio::ip::address_v4::loopback(), static_cast<uint16_t>(admin_port_.at(stage))},
      error);
  if (error) return "";
  http::request<http::empty_body> request(http::verb::get, path, 11);
  request.set(http::field::host, "127.0.0.1");
  request.set(http::field::connection, "close");
  http::write(stream, request, error);
  boost::beast::flat_buffer buffer;
  http::response<http::string_body> response;
  if (!error) http::read(stream, buffer, response, error);
  if (error && error != http::error::end_of_stream) return "";
  if (status != nullptr) *status = response.result_int();
  return response.body();
}

double Deployment::Metric(StageName stage, const std::string& series) const {
  std::istringstream lines(Get(stage, "/metrics"));
  std::string line;
  while (std::getline(lines, line)) {
    if (line.rfind(series + " ", 0) == 0) return std::stod(line.substr(series.size() + 1));
  }
  return 0;
}

}  // namespace shoal::testing
