#include "services/ar_engine/service/generate_check.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::engine {
namespace {

namespace v1 = pipeline::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const VocabularySizes kSizes = {.num_codebooks = 3,
                                .vocab_size = 200,
                                .codebook_entries = 64,
                                .semantic_start = 100,
                                .n_semantic = 50};

// A good Submit of 4 positions: two of text, two of audio.
struct Parts {
  std::vector<int32_t> token_ids = {5, 101, 149, 199};
  std::vector<int32_t> codes = {9, 1, 49, -7,  //
                                9, 2, 63, -7,  //
                                9, 3, 0,  -7};
  std::vector<uint32_t> codes_shape = {3, 4};
  v1::Submit submit;

  Parts() {
    submit.mutable_stream()->set_high(11);
    submit.mutable_stream()->set_low(12);
    submit.set_turn(3);
    submit.set_attempt(1);
    submit.set_priority(v1::PLAYBACK);
    v1::Generate& generate = *submit.mutable_generate();
    generate.set_prompt_length(4);
    generate.set_pinned_length(2);
    generate.set_frame_ms(50);
    generate.set_buffered_ms(1500);
    generate.set_credit_frames(30);
    generate.set_runaway_frames(100);
    generate.set_wait_limit_ms(250);
    generate.mutable_vocoder()->set_inbox("ipc:///vocoder");
    generate.mutable_vocoder()->set_incarnation(77);
    v1::Sampling& sampling = *generate.mutable_sampling();
    sampling.set_temperature(0.8f);
    sampling.set_top_p(0.7f);
    sampling.set_top_k(30);
    sampling.set_repetition_penalty(1.1f);
    sampling.set_penalty_window(16);
    sampling.set_seed(0xfedcba9876543210u);
    sampling.set_max_frames(40);
    sampling.set_residual_greedy(true);
    sampling.set_filter_order(v1::FULL_SOFTMAX);
    v1::Ras& ras = *sampling.mutable_ras();
    ras.set_rule(v1::Ras::AUTHORS);
    ras.set_window(10);
    ras.set_temperature(1.0f);
    ras.set_top_p(0.9f);
  }
  v1::Generate& generate() { return *submit.mutable_generate(); }
  v1::Sampling& sampling() { return *submit.mutable_generate()->mutable_sampling(); }

  absl::StatusOr<Request> Read() const {
    transport::Message message;
    *message.envelope.mutable_submit() = submit;
    v1::Generate& generate = *message.envelope.mutable_submit()->mutable_generate();
    transport::AttachInt32(message, generate.mutable_token_ids(), token_ids,
                           {static_cast<uint32_t>(token_ids.size())});
    transport::AttachInt32(message, generate.mutable_codes(), codes, codes_shape);
    return ReadGenerate(message, 7, kSizes);
  }
};

TEST(GenerateCheckTest, ReadsEveryField) {
  const absl::StatusOr<Request> request = Parts().Read();
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->stream, (StreamKey{7, 11, 12}));
  EXPECT_EQ(request->turn, 3u);
  EXPECT_EQ(request->attempt, 1u);
  EXPECT_THAT(request->token_ids, ElementsAre(5, 101, 149, 199));
  EXPECT_THAT(request->codes, ElementsAre(0, 0, 0, 1, 2, 3, 49, 63, 0, 0, 0, 0));
  EXPECT_EQ(request->prompt_length, 4);
  EXPECT_EQ(request->max_frames, 40);
  EXPECT_EQ(request->priority, Priority::kPlayback);
  EXPECT_EQ(request->pinned_length, 2);
  EXPECT_EQ(request->frame_seconds, 0.05);
  EXPECT_EQ(request->buffered_seconds, 1.5);
  EXPECT_EQ(request->credit_frames, 30);
  EXPECT_EQ(request->runaway_frames, 100);
  EXPECT_EQ(request->wait_limit, 0.25);
  const SamplingParams& sampling = request->sampling;
  EXPECT_EQ(sampling.temperature, 0.8f);
  EXPECT_EQ(sampling.top_p, 0.7f);
  EXPECT_EQ(sampling.top_k, 30);
  EXPECT_EQ(sampling.repetition_penalty, 1.1f);
  EXPECT_EQ(sampling.penalty_window, 16);
  EXPECT_EQ(sampling.seed, 0xfedcba9876543210u);
  EXPECT_TRUE(sampling.residual_greedy);
  EXPECT_EQ(sampling.filter_order, FilterOrder::kFullSoftmax);
  EXPECT_EQ(sampling.ras.rule, RasParams::Rule::kAuthors);
  EXPECT_EQ(sampling.ras.window, 10);
  EXPECT_EQ(sampling.ras.temperature, 1.0f);
  EXPECT_EQ(sampling.ras.top_p, 0.9f);
}

TEST(GenerateCheckTest, TheLimitsThemselvesAreAccepted) {
  Parts parts;
  parts.sampling().set_temperature(0);
  parts.sampling().set_top_p(1);
  parts.sampling().set_top_k(0);
  parts.sampling().set_max_frames(1);
  parts.sampling().mutable_ras()->Clear();
  parts.submit.set_priority(v1::WHOLE_FILE);
  parts.generate().set_pinned_length(4);
  parts.generate().set_buffered_ms(0);
  parts.generate().set_credit_frames(0xffffffff);
  parts.generate().set_runaway_frames(0xffffffff);
  parts.generate().set_wait_limit_ms(0);
  const absl::StatusOr<Request> request = parts.Read();
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->priority, Priority::kWholeFile);
  EXPECT_GT(request->credit_frames, request->max_frames) << "no limit, and no overflow";
  EXPECT_GT(request->runaway_frames, request->max_frames);
}

TEST(GenerateCheckTest, ReadsACredit) {
  v1::AudioCredit credit;
  credit.set_turn(3);
  credit.set_attempt(2);
  credit.set_frames(17);
  credit.set_buffered_ms(750);
  credit.set_next_frame(9);
  const ListenerNews news = ReadCredit(credit);
  EXPECT_EQ(news.turn, 3u);
  EXPECT_EQ(news.attempt, 2u);
  EXPECT_EQ(news.credit_frames, 17);
  EXPECT_EQ(news.buffered_seconds, 0.75);
  EXPECT_EQ(news.next_frame, 9u);
  credit.set_frames(0xffffffff);
  EXPECT_GT(ReadCredit(credit).credit_frames, 1000000);
}

struct BadCase {
  const char* field;
  std::function<void(Parts&)> spoil;
};

TEST(GenerateCheckTest, NamesTheFieldThatIsWrong) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<BadCase> cases = {
      {"pinned_length", [](Parts& p) { p.generate().set_pinned_length(5); }},
      {"frame_ms", [](Parts& p) { p.generate().set_frame_ms(0); }},
      {"frame_ms", [](Parts& p) { p.generate().set_frame_ms(-1); }},
      {"frame_ms", [&](Parts& p) { p.generate().set_frame_ms(nan); }},
      {"buffered_ms", [](Parts& p) { p.generate().set_buffered_ms(-1); }},
      {"buffered_ms", [](Parts& p) { p.generate().set_buffered_ms(1e300); }},
      {"wait_limit_ms", [&](Parts& p) { p.generate().set_wait_limit_ms(nan); }},
      {"token_ids", [](Parts& p) { p.token_ids[0] = -1; }},
      {"token_ids", [](Parts& p) { p.token_ids[3] = 200; }},
      {"codes", [](Parts& p) { p.codes[1] = 2; }},   // not the token's semantic code
      {"codes", [](Parts& p) { p.codes[6] = 64; }},  // beyond the entries
      {"codes", [](Parts& p) { p.codes[10] = -1; }},
      {"codes",
       [](Parts& p) {
         p.codes_shape = {4, 3};
       }},
      {"codes", [](Parts& p) { p.codes_shape = {12}; }},
      {"token_ids",
       [](Parts& p) {
         p.token_ids.clear(), p.codes.clear(), p.codes_shape = {3, 0};
       }},
      {"prompt_length", [](Parts& p) { p.submit.mutable_generate()->set_prompt_length(0); }},
      {"prompt_length", [](Parts& p) { p.submit.mutable_generate()->set_prompt_length(5); }},
      // Position 3 would be a frame of an earlier attempt, but holds text.
      {"token_ids", [](Parts& p) { p.submit.mutable_generate()->set_prompt_length(3); }},
      {"sampling.temperature", [](Parts& p) { p.sampling().set_temperature(-0.1f); }},
      {"sampling.temperature", [&](Parts& p) { p.sampling().set_temperature(nan); }},
      {"sampling.temperature", [](Parts& p) { p.sampling().set_temperature(1e9f); }},
      {"sampling.top_p", [](Parts& p) { p.sampling().set_top_p(1.01f); }},
      {"sampling.top_p", [&](Parts& p) { p.sampling().set_top_p(nan); }},
      {"sampling.top_k", [](Parts& p) { p.sampling().set_top_k(0xffffffff); }},
      {"sampling.repetition_penalty", [](Parts& p) { p.sampling().set_repetition_penalty(0); }},
      {"sampling.penalty_window", [](Parts& p) { p.sampling().set_penalty_window(1u << 31); }},
      {"sampling.max_frames", [](Parts& p) { p.sampling().set_max_frames(0); }},
      {"sampling.max_frames", [](Parts& p) { p.sampling().set_max_frames(0xffffffff); }},
      {"sampling.filter_order",
       [](Parts& p) { p.sampling().set_filter_order(static_cast<v1::FilterOrder>(9)); }},
      {"sampling.ras.rule",
       [](Parts& p) { p.sampling().mutable_ras()->set_rule(static_cast<v1::Ras::Rule>(9)); }},
      {"sampling.ras.window", [](Parts& p) { p.sampling().mutable_ras()->set_window(0); }},
      {"sampling.ras.temperature",
       [&](Parts& p) { p.sampling().mutable_ras()->set_temperature(nan); }},
      {"sampling.ras.top_p", [](Parts& p) { p.sampling().mutable_ras()->set_top_p(2); }},
  };
  for (const BadCase& bad : cases) {
    Parts parts;
    bad.spoil(parts);
    const absl::StatusOr<Request> request = parts.Read();
    ASSERT_FALSE(request.ok()) << bad.field;
    EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(request.status().message()),
                HasSubstr(std::string("submit.generate.") + bad.field + ": "));
  }
}

TEST(GenerateCheckTest, APriorityIsKnown) {
  Parts parts;
  parts.submit.set_priority(v1::PRIORITY_UNSPECIFIED);
  EXPECT_THAT(std::string(parts.Read().status().message()), HasSubstr("submit.priority: "));
}

TEST(GenerateCheckTest, AnEarlierAttemptsFramesMustLeaveSomethingToDraw) {
  Parts parts;
  parts.token_ids[3] = 100;
  for (const int k : {3, 7, 11}) parts.codes[k] = 0;
  parts.generate().set_prompt_length(1);
  parts.generate().set_pinned_length(1);
  parts.sampling().set_max_frames(4);
  EXPECT_TRUE(parts.Read().ok());
  parts.sampling().set_max_frames(3);
  EXPECT_THAT(std::string(parts.Read().status().message()), HasSubstr("sampling.max_frames"));
}

}  // namespace
}  // namespace shoal::engine
