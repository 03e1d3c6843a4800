// The three real processes on loopback, each restartable on its own, and what a test asks of them.

#ifndef SHOAL_TESTS_SYSTEM_DEPLOYMENT_H_
#define SHOAL_TESTS_SYSTEM_DEPLOYMENT_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/system/process.h"

namespace shoal::testing {

enum class StageName { kPreprocess, kEngine, kVocoder };

class Deployment {
 public:
  struct Options {
    std::string checkpoint;                               // folder
    std::map<StageName, std::vector<std::string>> flags;  // added to what the deployment gives
  };

  // Chooses addresses; starts nothing.
  explicit Deployment(Options options);
  ~Deployment();  // prints the logs when the running test has failed

  // Starts one stage and returns at once.
  void Start(StageName stage);
  // Starts all three and returns when the front is ready for requests.
  void StartAll();
  void AwaitReady(StageName stage);
  // SIGKILL, and reaps it.
  void Kill(StageName stage);

  Process& process(StageName stage) { return *processes_.at(stage); }
  std::string front_address() const;  // host:port of the gRPC service
  std::string folder() const { return folder_; }
  std::string Logs() const;  // the end of every stage's

  // Body of a GET on the stage's admin port; empty when it does not answer. `status` gets the code.
  std::string Get(StageName stage, const std::string& path, int* status = nullptr) const;

  // Value of one series of /metrics, named with its labels as printed; 0 when absent.
  double Metric(StageName stage, const std::string& series) const;

 private:
  std::vector<std::string> Command(StageName stage) const;

  Options options_;
  std::string folder_;
  int grpc_port_;
  std::map<StageName, int> admin_port_;
  std::map<StageName, std::unique_ptr<Process>> processes_;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SYSTEM_DEPLOYMENT_H_
