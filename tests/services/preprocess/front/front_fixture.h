// A whole front in this process, between gRPC clients and fake stages, all on loopback.
#ifndef SHOAL_TESTS_SERVICES_PREPROCESS_FRONT_FRONT_FIXTURE_H_
#define SHOAL_TESTS_SERVICES_PREPROCESS_FRONT_FRONT_FIXTURE_H_

#include <memory>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "services/preprocess/front/front_server.h"
#include "tests/services/preprocess/front/fake_stages.h"
#include "tests/services/preprocess/references/fake_encoder.h"
#include "tests/services/preprocess/text/small_tokenizer.h"
#include "tests/support/speech_client.h"

namespace shoal::testing {

class FrontFixture {
 public:
  struct Options {
    Options();
    std::vector<FakeEngine::Options> engines = {{}};
    std::vector<FakeVocoder::Options> vocoders = {{}};
    preprocess::FrontServer::Options front;
  };

  // Returns when the front serves and all stages are up, or at once when there are no engines or no
  // vocoders.
  explicit FrontFixture(const Options& options = {});
  ~FrontFixture();

  preprocess::FrontServer& server() { return *server_; }
  tts::v1::TextToSpeechService::Stub& stub() { return *stub_; }
  FakeEngine& engine(size_t i = 0) { return *engines_[i]; }
  FakeVocoder& vocoder(size_t i = 0) { return *vocoders_[i]; }
  FakeEncoder& encoder() { return encoder_; }
  const preprocess::PromptBuilder& builder() const { return builder_; }

  // Blocks until the health of `service` is `status`; false after 20 s.
  bool AwaitHealth(const std::string& service,
                   grpc::health::v1::HealthCheckResponse::ServingStatus status);
  // The line of /metrics that begins with `series`, without it; empty when there is none.
  std::string Metric(const std::string& series) const;

  void AddEngine(FakeEngine::Options options);
  void AddVocoder(FakeVocoder::Options options);

 private:
  void AwaitStages() const;

  preprocess::Tokenizer tokenizer_;
  preprocess::PromptBuilder builder_;
  FakeEncoder encoder_;
  service::Metrics metrics_;
  std::unique_ptr<preprocess::FrontServer> server_;
  std::unique_ptr<tts::v1::TextToSpeechService::Stub> stub_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  std::vector<std::unique_ptr<FakeEngine>> engines_;
  std::vector<std::unique_ptr<FakeVocoder>> vocoders_;
};

// What the fakes' frames of turns [0, turns) sound like, as samples.
std::vector<float> ExpectedAudio(uint32_t turns, uint32_t frames);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SERVICES_PREPROCESS_FRONT_FRONT_FIXTURE_H_
