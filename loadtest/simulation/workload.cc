#include "loadtest/simulation/workload.h"

#include <algorithm>
#include <cmath>

#include "loadtest/simulation/random.h"

namespace shoal::simulation {
namespace {

uint64_t Hash(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t SeedOf(const WorkloadOptions& options, const Workload& workload, int client, int turn) {
  const int frames = workload.clients[client].turns[turn].frames;
  const uint64_t identity = Hash(options.seed, Hash(client, turn));
  return (identity & ~uint64_t{0xffff}) | static_cast<uint64_t>(frames);
}

int Frames(const WorkloadOptions& options, double seconds) {
  return std::max(1, static_cast<int>(std::lround(seconds / options.frame_seconds)));
}

int TextTokens(const WorkloadOptions& options, double seconds) {
  return std::max(1, static_cast<int>(std::lround(seconds * options.tokens_a_second)));
}

double TurnSeconds(const WorkloadOptions& options, Random& random) {
  const double seconds = options.median_turn * std::exp(options.sigma_turn * random.Normal());
  return std::clamp(seconds, options.shortest_turn, options.longest_turn);
}

std::vector<Turn> Turns(const WorkloadOptions& options, Random& random) {
  std::vector<Turn> turns(std::min(random.Geometric(options.mean_turns), options.most_turns));
  for (Turn& turn : turns) {
    const double seconds = TurnSeconds(options, random);
    turn = {.text_tokens = TextTokens(options, seconds), .frames = Frames(options, seconds)};
  }
  return turns;
}

// Cumulative shares of the voices.
std::vector<double> VoiceShares(const WorkloadOptions& options) {
  std::vector<double> shares(options.voices);
  double sum = 0;
  for (int i = 0; i < options.voices; ++i) shares[i] = sum += std::pow(i + 1, -options.zipf);
  for (double& share : shares) share /= sum;
  return shares;
}

// Appends positions to a request.
class Prompt {
 public:
  explicit Prompt(engine::Request* request) : request_(request) {}

  // Text that is the same wherever `source` is the same.
  void Text(uint64_t source, int tokens) {
    for (int i = 0; i < tokens; ++i) {
      request_->token_ids.push_back(static_cast<int32_t>(Hash(source, i) % 150000));
      request_->codes.push_back(0);
    }
  }
  void Audio(uint64_t seed, int frames) {
    for (int i = 0; i < frames; ++i) {
      const int32_t code = DrawnCode(seed, i);
      request_->token_ids.push_back(kSemanticStart + code);
      request_->codes.push_back(code);
    }
  }

 private:
  engine::Request* const request_;
};

}  // namespace

int Client::frames() const {
  int sum = 0;
  for (const Turn& turn : turns) sum += turn.frames;
  return sum;
}

int32_t DrawnCode(uint64_t seed, uint32_t frame) {
  return static_cast<int32_t>(Hash(seed, frame) % kSemanticCodes);
}

double MeanAudioSeconds(const WorkloadOptions& options) {
  // By sampling, since both distributions are cut; the same numbers for every seed.
  Random random(12345);
  double seconds = 0;
  constexpr int kSamples = 20000;
  for (int i = 0; i < kSamples; ++i) {
    for (const Turn& turn : Turns(options, random)) seconds += turn.frames * options.frame_seconds;
  }
  return seconds / kSamples;
}

Workload MakeWorkload(const WorkloadOptions& options) {
  Workload workload;
  Random voices(Hash(options.seed, 1));
  for (int i = 0; i < options.voices; ++i) {
    const double seconds = voices.Uniform(options.shortest_reference, options.longest_reference);
    workload.voice_reference_frames.push_back(Frames(options, seconds));
    workload.voice_text_tokens.push_back(TextTokens(options, seconds));
  }
  const std::vector<double> shares = VoiceShares(options);
  const double gap = MeanAudioSeconds(options) / options.clients;
  Random random(Hash(options.seed, 2));
  for (double now = random.Exponential(gap); now < options.seconds;
       now += random.Exponential(gap)) {
    const auto voice = std::lower_bound(shares.begin(), shares.end(), random.Uniform());
    Client client;
    client.arrival = now;
    client.voice =
        std::min(static_cast<int>(voice - shares.begin()), static_cast<int>(shares.size()) - 1);
    client.turns = Turns(options, random);
    workload.clients.push_back(std::move(client));
  }
  return workload;
}

engine::Request MakeRequest(const WorkloadOptions& options, const Workload& workload,
                            int client_index, int turn) {
  const Client& client = workload.clients[client_index];
  const uint64_t voice = Hash(options.seed, uint64_t{1} << 32 | client.voice);
  engine::Request request;
  Prompt prompt(&request);
  prompt.Text(0, options.prefix_tokens);
  prompt.Text(voice, workload.voice_text_tokens[client.voice]);
  prompt.Audio(voice, workload.voice_reference_frames[client.voice]);
  request.pinned_length = static_cast<int32_t>(request.token_ids.size());
  for (int i = 0; i <= turn; ++i) {
    const uint64_t seed = SeedOf(options, workload, client_index, i);
    prompt.Text(seed, client.turns[i].text_tokens + options.turn_tokens);
    if (i < turn) prompt.Audio(seed, client.turns[i].frames);
  }
  request.stream = {.front = 1, .high = 0, .low = static_cast<uint64_t>(client_index)};
  request.turn = static_cast<uint32_t>(turn);
  request.prompt_length = static_cast<int32_t>(request.token_ids.size());
  request.max_frames = 2048;  // what a front asks for by default
  request.sampling.seed = SeedOf(options, workload, client_index, turn);
  request.frame_seconds = options.frame_seconds;
  return request;
}

}  // namespace shoal::simulation
