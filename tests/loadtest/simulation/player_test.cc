#include "loadtest/simulation/player.h"

#include "gtest/gtest.h"

namespace shoal::simulation {
namespace {

TEST(Player, HearsNothingBeforeItsFirstAudio) {
  const Player player;
  EXPECT_FALSE(player.started());
  EXPECT_EQ(player.underrun(), 0);
  EXPECT_EQ(player.Buffered(5), 0);
}

// Audio of 1 s each: at 10 (plays to 11), 10.5 (to 12), 12 (just in time, to 13), 13.25 (late by
// 0.25, to 14.25), 16.25 (late by 2, to 17.25).
TEST(Player, CountsTheTimeItIsDry) {
  Player player;
  for (const double time : {10.0, 10.5, 12.0}) player.Receive(time, 1);
  EXPECT_EQ(player.underrun(), 0);
  EXPECT_EQ(player.gaps(), 0);
  player.Receive(13.25, 1);
  EXPECT_DOUBLE_EQ(player.underrun(), 0.25);
  player.Receive(16.25, 1);
  EXPECT_DOUBLE_EQ(player.underrun(), 2.25);
  EXPECT_DOUBLE_EQ(player.longest_gap(), 2.0);
  EXPECT_EQ(player.gaps(), 2);
  EXPECT_EQ(player.first_audio(), 10);
  EXPECT_DOUBLE_EQ(player.received(), 5);
}

TEST(Player, SilenceAfterTheLastAudioIsNoUnderrun) {
  Player player;
  player.Receive(1, 0.5);
  EXPECT_EQ(player.Buffered(100), 0);
  EXPECT_EQ(player.underrun(), 0);
}

TEST(Player, WhatAServerAssumesLacksTheGapsItDoesNotHearOf) {
  Player player;
  player.Receive(0, 1);
  player.Receive(3, 4);  // dry for 2 s; plays to 7
  EXPECT_DOUBLE_EQ(player.Buffered(4), 3);
  EXPECT_DOUBLE_EQ(player.AssumedBuffer(4), 1);  // 5 sent, 4 gone by
  EXPECT_DOUBLE_EQ(player.AssumedBuffer(6), 0);
}

}  // namespace
}  // namespace shoal::simulation
