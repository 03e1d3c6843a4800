#include "common/stage/inbox.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::stage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace v1 = pipeline::v1;

transport::Message Submit(uint64_t stream) {
  transport::Message message;
  v1::Submit& submit = *message.envelope.mutable_submit();
  submit.mutable_stream()->set_low(stream);
  submit.set_turn(4);
  submit.set_attempt(2);
  submit.set_priority(v1::PLAYBACK);
  transport::AttachInt32(message, submit.mutable_generate()->mutable_token_ids(), {1, 2, 3}, {3});
  return message;
}

transport::Message Cancel(uint64_t stream) {
  transport::Message message;
  message.envelope.mutable_cancel()->mutable_stream()->set_low(stream);
  return message;
}

std::string Describe(const Arrival& arrival) {
  const v1::Envelope& envelope = arrival.message.envelope;
  switch (arrival.kind) {
    case Arrival::Kind::kMessage:
      return envelope.has_submit() ? absl::StrCat("submit ", envelope.submit().stream().low())
                                   : absl::StrCat("cancel ", envelope.cancel().stream().low());
    case Arrival::Kind::kRefused:
      return absl::StrCat("refused ", envelope.submit().stream().low());
    case Arrival::Kind::kPeerDown:
      return absl::StrCat(arrival.why, " ", arrival.from);
    case Arrival::Kind::kDrain:
      return "drain";
  }
  return "";
}

std::vector<std::string> HandleAll(Inbox& inbox) {
  std::vector<std::string> handled;
  inbox.HandleAll(absl::ZeroDuration(),
                  [&](const Arrival& arrival) { handled.push_back(Describe(arrival)); });
  return handled;
}

TEST(InboxTest, EverythingLeavesInTheOrderInWhichItCame) {
  Inbox inbox({});
  EXPECT_TRUE(inbox.PutMessage(7, Submit(1)));
  EXPECT_TRUE(inbox.PutMessage(7, Cancel(1)));
  EXPECT_TRUE(inbox.PutDrain());
  EXPECT_TRUE(inbox.PutMessage(7, Submit(2)));
  EXPECT_TRUE(inbox.PutPeerDown(7, "silent"));
  EXPECT_THAT(HandleAll(inbox),
              ElementsAre("submit 1", "cancel 1", "drain", "submit 2", "silent 7"));
  EXPECT_THAT(HandleAll(inbox), IsEmpty());
}

TEST(InboxTest, SubmitsBeyondTheirBoundAreLeftAsRefusalsOnly) {
  Inbox inbox({.max_submits = 2});
  for (uint64_t stream = 1; stream <= 4; ++stream) inbox.PutMessage(7, Submit(stream));
  EXPECT_TRUE(inbox.PutMessage(7, Cancel(1)));
  std::vector<std::string> handled;
  inbox.HandleAll(absl::ZeroDuration(), [&](const Arrival& arrival) {
    handled.push_back(Describe(arrival));
    if (arrival.kind != Arrival::Kind::kRefused) return;
    EXPECT_EQ(arrival.from, 7u);
    EXPECT_EQ(arrival.refusal.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(arrival.message.parts, IsEmpty());
    const v1::Submit& submit = arrival.message.envelope.submit();
    EXPECT_EQ(submit.turn(), 4u);
    EXPECT_EQ(submit.attempt(), 2u);
    EXPECT_EQ(submit.work_case(), v1::Submit::WORK_NOT_SET);
  });
  EXPECT_THAT(handled, ElementsAre("submit 1", "submit 2", "refused 3", "refused 4", "cancel 1"));
}

TEST(InboxTest, ASubmitMakesRoomOnceItIsHandled) {
  Inbox inbox({.max_submits = 2});
  inbox.PutMessage(7, Submit(1));
  inbox.PutMessage(7, Submit(2));
  int more = 3;
  // The first is being handled when the third comes, and the second still waits.
  inbox.HandleAll(absl::ZeroDuration(), [&](const Arrival&) {
    if (more == 3) {
      inbox.PutMessage(7, Submit(more++));
      inbox.PutMessage(7, Submit(more++));
    }
  });
  EXPECT_THAT(HandleAll(inbox), ElementsAre("submit 3", "refused 4"));
}

TEST(InboxTest, WhatDoesNotFitIsLostAndCountsForNothing) {
  Inbox inbox({.capacity = 2, .max_submits = 1});
  EXPECT_TRUE(inbox.PutMessage(7, Cancel(1)));
  EXPECT_TRUE(inbox.PutMessage(7, Cancel(2)));
  EXPECT_FALSE(inbox.PutMessage(7, Submit(3)));
  EXPECT_FALSE(inbox.PutPeerDown(7, "silent"));
  EXPECT_THAT(HandleAll(inbox), ElementsAre("cancel 1", "cancel 2"));
  EXPECT_TRUE(inbox.PutMessage(7, Submit(4)));
  EXPECT_THAT(HandleAll(inbox), ElementsAre("submit 4"));
}

TEST(InboxTest, OfTheMalformedOnlySubmitsAreAnswered) {
  Inbox inbox({});
  v1::Envelope submit = Submit(5).envelope;
  EXPECT_TRUE(inbox.PutMalformed(7, Cancel(4).envelope, absl::OutOfRangeError("stream")));
  EXPECT_TRUE(inbox.PutMalformed(7, submit, absl::OutOfRangeError("shape")));
  std::vector<absl::Status> refusals;
  inbox.HandleAll(absl::ZeroDuration(),
                  [&](const Arrival& arrival) { refusals.push_back(arrival.refusal); });
  EXPECT_THAT(refusals, ElementsAre(absl::InvalidArgumentError("shape")));
}

TEST(InboxTest, AClosedInboxTakesNothingAndWaitsForNothing) {
  Inbox inbox({});
  inbox.PutMessage(7, Cancel(1));
  inbox.Close();
  EXPECT_TRUE(inbox.closed());
  EXPECT_FALSE(inbox.PutMessage(7, Submit(2)));
  EXPECT_FALSE(inbox.PutDrain());
  std::vector<std::string> handled;
  for (int i = 0; i < 2; ++i) {
    inbox.HandleAll(absl::InfiniteDuration(),
                    [&](const Arrival& arrival) { handled.push_back(Describe(arrival)); });
  }
  EXPECT_THAT(handled, ElementsAre("cancel 1"));
}

}  // namespace
}  // namespace shoal::stage
