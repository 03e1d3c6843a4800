#include "services/preprocess/front/call_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

using Request = tts::v1::StreamingSynthesizeRequest;

class ReadingLink final : public ClientLink {
 public:
  void ReadNext() override { ++reads_; }
  void Write(tts::v1::StreamingSynthesizeResponse) override {}
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  void Finish(const absl::Status&) override {}
  int reads() const { return reads_; }

 private:
  int reads_ = 0;
};

Request Text(const std::string& text) {
  Request request;
  request.set_text(text);
  return request;
}

Request Flush(const std::string& id) {
  Request request;
  request.mutable_flush()->set_id(id);
  return request;
}

Request Config() {
  Request request;
  request.mutable_config()->set_chunk_length(123);
  return request;
}

class CallInputTest : public ::testing::Test {
 protected:
  // The loop outlives the input, which is used on it alone.
  void Start(const SessionLimits& limits = {}) {
    input_ = std::make_unique<CallInput>(&loop_, limits, &link_, [this] { stalled_.set_value(); });
  }
  void Open() { input_->Open(*TextQueue::Create(200, 1000)); }
  ~CallInputTest() override {
    loop_.Run([this] { input_.reset(); });
  }
  static void ExpectRefused(const absl::Status& status, absl::string_view reason) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(status), reason) << status;
  }

  FrontLoop loop_;
  ReadingLink link_;
  std::promise<void> stalled_;
  std::unique_ptr<CallInput> input_;
};

TEST_F(CallInputTest, TheConfigComesFirstAndOnce) {
  Start();
  loop_.Run([this] {
    ExpectRefused(input_->Take(Text("hello")).status(), reason::kConfigMissing);
    ExpectRefused(input_->Take(Flush("a")).status(), reason::kConfigMissing);
    ExpectRefused(input_->End(), reason::kConfigMissing);
  });
  Start();
  loop_.Run([this] {
    const auto config = input_->Take(Config());
    ASSERT_TRUE(config.ok() && config->has_value());
    EXPECT_EQ((*config)->chunk_length(), 123u);
    Open();
    ExpectRefused(input_->Take(Config()).status(), reason::kConfigRepeated);
    ExpectRefused(input_->Take(Request()).status(), reason::kInvalidField);
    ExpectRefused(input_->Take(Flush(std::string(129, 'x'))).status(), reason::kInvalidField);
  });
}

TEST_F(CallInputTest, WhatCameIsDoneInItsOrder) {
  Start();
  loop_.Run([this] {
    Open();
    EXPECT_TRUE(input_->Take(Text("One.")).ok());
    EXPECT_TRUE(input_->Take(Flush("a")).ok());
    EXPECT_TRUE(input_->Take(Text("Two.")).ok());
    EXPECT_TRUE(input_->End().ok());
    using Kind = TextQueue::Item::Kind;
    for (const auto& [kind, text] : {std::pair{Kind::kTurn, "One."}, std::pair{Kind::kFlush, "a"},
                                     std::pair{Kind::kTurn, "Two."}, std::pair{Kind::kEnd, ""}}) {
      const auto item = input_->Next();
      ASSERT_TRUE(item.ok() && item->has_value());
      EXPECT_EQ((*item)->kind, kind);
      EXPECT_EQ((*item)->text, text);
    }
  });
}

TEST_F(CallInputTest, ReadsOneAtATimeAndNoMoreThanIsSoonUsed) {
  Start({.max_waiting_inputs = 2});
  loop_.Run([this] {
    input_->ReadMore();
    input_->ReadMore();
    EXPECT_EQ(link_.reads(), 1);
    Open();
    for (int i = 0; i < 2; ++i) {
      input_->OnAnswer();
      EXPECT_TRUE(input_->Take(Flush("")).ok());
      input_->ReadMore();
    }
    EXPECT_EQ(link_.reads(), 2) << "two wait";
    EXPECT_TRUE(input_->Next().ok());
    input_->ReadMore();
    EXPECT_EQ(link_.reads(), 3);
    input_->OnAnswer();
    EXPECT_TRUE(input_->End().ok());
    input_->ReadMore();
    EXPECT_EQ(link_.reads(), 3) << "nothing comes after the end";
  });
}

TEST_F(CallInputTest, AClientThatSendsNothingWhenNothingIsLeftStalls) {
  Start({.text_stall = absl::Milliseconds(10)});
  loop_.Run([this] {
    Open();
    const auto item = input_->Next();
    EXPECT_TRUE(item.ok() && !item->has_value());
  });
  stalled_.get_future().wait();
}

TEST_F(CallInputTest, AnAnswerOrTheEndIsNoStall) {
  Start({.text_stall = absl::Milliseconds(1)});
  std::promise<void> later;
  FrontLoop::Timer timer;
  loop_.Run([&] {
    Open();
    input_->WatchForStall();
    input_->OnAnswer();
    EXPECT_TRUE(input_->End().ok());
    input_->WatchForStall();
    timer = loop_.After(absl::Milliseconds(30), [&] { later.set_value(); });
  });
  later.get_future().wait();
  EXPECT_EQ(stalled_.get_future().wait_for(std::chrono::seconds(0)), std::future_status::timeout);
}

}  // namespace
}  // namespace shoal::preprocess
