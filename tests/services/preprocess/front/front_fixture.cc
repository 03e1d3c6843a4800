#include "tests/services/preprocess/front/front_fixture.h"

#include <chrono>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace shoal::testing {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

preprocess::PromptVocabulary Vocabulary() {
  return {.semantic_start = preprocess::kSemanticStart,
          .semantic_end = preprocess::kSemanticEnd,
          .num_codebooks = kCodebooks,
          .codebook_entries = 10};
}

}  // namespace

FrontFixture::Options::Options() {
  front.listen = "127.0.0.1:0";
  front.channel.bind = "tcp://127.0.0.1:*";
  front.model = {.name = "fake",
                 .sample_rate_hz = kSampleRate,
                 .frame_length = kFrameLength,
                 .num_codebooks = kCodebooks,
                 .max_seq_len = kMaxSeqLen};
}

FrontFixture::FrontFixture(const Options& options)
    : tokenizer_(preprocess::SmallTokenizer()),
      builder_(*preprocess::PromptBuilder::Create(&tokenizer_, Vocabulary())),
      metrics_("test") {
  for (const FakeEngine::Options& engine : options.engines) AddEngine(engine);
  for (const FakeVocoder::Options& vocoder : options.vocoders) AddVocoder(vocoder);
  preprocess::FrontServer::Options front = options.front;
  for (const auto& engine : engines_) front.channel.dial.push_back(engine->inbox());
  for (const auto& vocoder : vocoders_) front.channel.dial.push_back(vocoder->inbox());
  absl::StatusOr<std::unique_ptr<preprocess::FrontServer>> server =
      preprocess::FrontServer::Start(front, &builder_, &encoder_, &metrics_);
  if (!server.ok()) throw std::runtime_error(server.status().ToString());
  server_ = *std::move(server);
  stub_ = Connect(server_->address());
  health_ = grpc::health::v1::Health::NewStub(
      grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
  if (engines_.empty() || vocoders_.empty()) return;
  AwaitStages();
  if (!AwaitHealth("", grpc::health::v1::HealthCheckResponse::SERVING)) {
    throw std::runtime_error("the front does not serve: " + server_->NotReady());
  }
}

void FrontFixture::AwaitStages() const {
  // The front serves as soon as one of each kind is up; tests count on all of them.
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (server_->channel().peers().size() < engines_.size() + vocoders_.size()) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("a stage is not up");
    std::this_thread::yield();
  }
}

FrontFixture::~FrontFixture() {
  encoder_.Release();
  server_.reset();
}

void FrontFixture::AddEngine(FakeEngine::Options options) {
  engines_.push_back(std::make_unique<FakeEngine>(options));
}

void FrontFixture::AddVocoder(FakeVocoder::Options options) {
  vocoders_.push_back(std::make_unique<FakeVocoder>(std::move(options)));
}

bool FrontFixture::AwaitHealth(const std::string& service,
                               grpc::health::v1::HealthCheckResponse::ServingStatus status) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  const auto watch = health_->Watch(&context, request);
  grpc::health::v1::HealthCheckResponse response;
  while (watch->Read(&response)) {
    if (response.status() == status) return true;
  }
  return false;
}

std::string FrontFixture::Metric(const std::string& series) const {
  std::istringstream lines(metrics_.Serialize());
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(series + " ", 0) == 0) return line.substr(series.size() + 1);
  }
  return "";
}

std::vector<float> ExpectedAudio(uint32_t turns, uint32_t frames) {
  std::vector<float> samples;
  for (uint32_t turn = 0; turn < turns; ++turn) {
    for (uint32_t frame = 0; frame < frames; ++frame) {
      samples.insert(samples.end(), kFrameLength, LevelOf(turn, frame));
    }
  }
  return samples;
}

}  // namespace shoal::testing
