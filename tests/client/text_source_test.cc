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

// What Next gives; nothing at the end.
std::optional<std::string> Next(TextSource& source) {
  const absl::StatusOr<std::optional<std::string>> piece = source.Next();
  EXPECT_TRUE(piece.ok()) << piece.status();
  return piece.ok() ? *piece : std::nullopt;
}

TEST(TextSource, GivenTextComesOnce) {
  TextSource source("Hello.");
  EXPECT_EQ(Next(source), "Hello.");
  EXPECT_EQ(Next(source), std::nullopt);
  EXPECT_FALSE(source.interactive());
}

TEST(TextSource, PipedTextComesAsItIsWritten) {
  Pipe pipe;
  TextSource source(pipe.ends[0]);
  pipe.Write("One. ");
  EXPECT_EQ(Next(source), "One. ");
  pipe.Write("Two.");
  EXPECT_EQ(Next(source), "Two.");
  pipe.Close();
  EXPECT_EQ(Next(source), std::nullopt);
  EXPECT_EQ(Next(source), std::nullopt);
}

TEST(TextSource, NeverCutsACharacter) {
  Pipe pipe;
  TextSource source(pipe.ends[0]);
  pipe.Write("a\xf0\x9f");
  EXPECT_EQ(Next(source), "a");
  pipe.Write(
      "\x98\x80"
      "b");
  EXPECT_EQ(Next(source),
            "\xf0\x9f\x98\x80"
            "b");
  pipe.Write("\xc3");
  pipe.Close();
  EXPECT_FALSE(source.Next().ok());  // the rest never came
}

TEST(TextSource, StopEndsAWait) {
  Pipe pipe;
  TextSource source(pipe.ends[0]);
  std::thread stopper([&] { source.Stop(); });
  EXPECT_EQ(Next(source), std::nullopt);
  stopper.join();
}

}  // namespace
}  // namespace shoal::client
