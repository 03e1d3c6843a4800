#include "client/text_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace shoal::client {
namespace {

struct Pipe {
  Pipe() { EXPECT_EQ(pipe(ends), 0); }
  ~Pipe() {
    close(ends[0]);
    Close();
  }
  void Write(const std::string& text) {
    EXPECT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void Close() {
    if (ends[1] >= 0) close(ends[1]);
    ends[1] = -1;
  }
  int ends[2];
};

TEST(TextSource, GivenTextComesOnce) {
  TextSource source("Hello.");
  EXPECT_EQ(source.Next(), "Hello.");
  EXPECT_EQ(source.Next(), std::nullopt);
  EXPECT_FALSE(source.interactive());
}

TEST(TextSource, PipedTextComesAsItIsWritten) {
  Pipe pipe;
  TextSource source(pipe.ends[0]);
  pipe.Write("One. ");
  EXPECT_EQ(source.Next(), "One. ");
  pipe.Write("Two.");
  EXPECT_EQ(source.Next(), "Two.");
  pipe.Close();
  EXPECT_EQ(source.Next(), std::nullopt);
  EXPECT_EQ(source.Next(), std::nullopt);
}

TEST(TextSource, NeverCutsACharacter) {
  Pipe pipe;
  TextSource source(pipe.ends[0]);
  pipe.Write("a\xf0\x9f");
  EXPECT_EQ(source.Next(), "a");
  pipe.Write(
      "\x98\x80"
      "b");
  EXPECT_EQ(source.Next(),
            "\xf0\x9f\x98\x80"
            "b");
  pipe.Write("\xc3");
  pipe.Close();
  EXPECT_EQ(source.Next(), "\xc3");  // for the server to refuse
  EXPECT_EQ(source.Next(), std::nullopt);
}

TEST(TextSource, StopEndsAWait) {
  Pipe pipe;
  TextSource source(pipe.ends[0]);
  std::thread stopper([&] { source.Stop(); });
  EXPECT_EQ(source.Next(), std::nullopt);
  stopper.join();
}

TEST(TextSource, KnowsUnfinishedCharacters) {
  EXPECT_EQ(UnfinishedCharacter(""), 0u);
  EXPECT_EQ(UnfinishedCharacter("abc"), 0u);
  EXPECT_EQ(UnfinishedCharacter("\xc3\xa9"), 0u);
  EXPECT_EQ(UnfinishedCharacter("\xc3"), 1u);
  EXPECT_EQ(UnfinishedCharacter("a\xe2\x82"), 2u);
  EXPECT_EQ(UnfinishedCharacter("a\xf0\x9f\x98"), 3u);
  EXPECT_EQ(UnfinishedCharacter("\xf0\x9f\x98\x80"), 0u);
  EXPECT_EQ(UnfinishedCharacter("\x80\x80\x80\x80"), 0u);  // never a character
}

}  // namespace
}  // namespace shoal::client
