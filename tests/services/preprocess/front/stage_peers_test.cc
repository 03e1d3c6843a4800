#include "services/preprocess/front/stage_peers.h"

#include <gtest/gtest.h>

#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

using pipeline::v1::ENGINE;
using pipeline::v1::VOCODER;

transport::Peer PeerOf(uint64_t incarnation, pipeline::v1::Stage stage, uint32_t streams,
                       uint32_t queue = 0) {
  transport::Peer peer;
  peer.incarnation = incarnation;
  peer.stage = stage;
  peer.hello.mutable_capacity()->set_streams(streams);
  peer.hello.mutable_capacity()->set_queue(queue);
  return peer;
}

std::string ReasonOfPick(const StagePeers& peers, pipeline::v1::Stage stage,
                         const std::set<uint64_t>& excluded = {}) {
  return ReasonOf(peers.Pick(stage, excluded).status());
}

TEST(StagePeers, TheLeastUsedIsPicked) {
  StagePeers peers(absl::Seconds(1));
  peers.Up(PeerOf(1, VOCODER, 10));
  peers.Up(PeerOf(2, VOCODER, 10));
  peers.Take(1);
  EXPECT_EQ(*peers.Pick(VOCODER, {}), 2u);
  peers.Take(2);
  peers.Take(2);
  EXPECT_EQ(*peers.Pick(VOCODER, {}), 1u);
  peers.Release(2);
  peers.Release(2);
  EXPECT_EQ(*peers.Pick(VOCODER, {}), 2u);
}

TEST(StagePeers, NoneIsOtherThanFull) {
  StagePeers peers(absl::Seconds(1));
  EXPECT_EQ(peers.Pick(ENGINE, {}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOfPick(peers, ENGINE), "NO_ENGINE");
  EXPECT_EQ(ReasonOfPick(peers, VOCODER), "NO_VOCODER");
  peers.Up(PeerOf(1, VOCODER, 1));
  EXPECT_TRUE(peers.Pick(VOCODER, {}).ok());
  peers.Take(1);
  EXPECT_EQ(peers.Pick(VOCODER, {}).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOfPick(peers, VOCODER), "STAGES_BUSY");
  peers.Release(1);
  EXPECT_EQ(ReasonOfPick(peers, VOCODER, {1}), "STAGES_BUSY");
}

TEST(StagePeers, AnEnginesQueueIsRoom) {
  StagePeers peers(absl::Seconds(1));
  peers.Up(PeerOf(1, ENGINE, 1, 2));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(peers.Pick(ENGINE, {}).ok());
    peers.Take(1);
  }
  EXPECT_EQ(ReasonOfPick(peers, ENGINE), "STAGES_BUSY");
}

TEST(StagePeers, APeerThatSaysNoCapacityHasNoLimit) {
  StagePeers peers(absl::Seconds(1));
  peers.Up(PeerOf(1, VOCODER, 0));
  for (int i = 0; i < 1000; ++i) peers.Take(1);
  EXPECT_TRUE(peers.Pick(VOCODER, {}).ok());
}

TEST(StagePeers, WhatIsGoneIsForgotten) {
  StagePeers peers(absl::Seconds(1));
  peers.Up(PeerOf(1, ENGINE, 1));
  peers.Take(1);
  peers.Down(1);
  EXPECT_EQ(peers.Find(1), nullptr);
  EXPECT_EQ(peers.Count(ENGINE), 0);
  peers.Release(1);  // of a stream that ends later
  peers.Up(PeerOf(1, ENGINE, 1));
  EXPECT_TRUE(peers.Pick(ENGINE, {}).ok());
  EXPECT_EQ(peers.Count(ENGINE), 1);
}

}  // namespace
}  // namespace shoal::preprocess
