#include "client/progress.h"

#include <gtest/gtest.h>

#include "tests/client/temporary_file.h"

namespace shoal::client {
namespace {

using std::chrono::milliseconds;

const Progress::Clock::time_point kStart{};

TEST(Progress, FiguresCountFromTheFirstText) {
  Progress progress(stderr, false);
  EXPECT_EQ(progress.Figures(), "0.00 s of audio");
  progress.OnText(kStart);
  progress.OnText(kStart + milliseconds(500));  // later text changes nothing
  EXPECT_EQ(progress.Figures(), "0.00 s of audio");
  progress.OnAudio(kStart + milliseconds(48), 1.0);
  progress.OnAudio(kStart + milliseconds(610), 2.48);
  EXPECT_EQ(progress.Figures(), "3.48 s of audio in 0.61 s, RTF 0.175, first audio after 48 ms");
}

TEST(Progress, ElsewhereThanOnATerminalOnlyWholeLinesAppear) {
  TemporaryFile file;
  Progress progress(file.stream(), false);
  progress.OnText(kStart);
  progress.OnAudio(kStart + milliseconds(100), 1.0);
  EXPECT_EQ(file.Content(), "");
  progress.Note("warning");
  progress.Finish("seed 7 -> out.wav");
  EXPECT_EQ(file.Content(),
            "warning\n"
            "1.00 s of audio in 0.10 s, RTF 0.100, first audio after 100 ms, seed 7 -> out.wav\n");
}

TEST(Progress, OnATerminalTheLineIsWrittenOverAtMostTenTimesASecond) {
  TemporaryFile file;
  Progress progress(file.stream(), true);
  progress.OnText(kStart);
  progress.OnAudio(kStart + milliseconds(100), 1.0);
  progress.OnAudio(kStart + milliseconds(199), 1.0);  // too early
  progress.OnAudio(kStart + milliseconds(200), 1.0);
  progress.Note("warning");
  progress.Finish("seed 7");
  const std::string first_audio = ", first audio after 100 ms";
  EXPECT_EQ(file.Content(), "\r\x1b[K1.00 s of audio in 0.10 s, RTF 0.100" + first_audio +
                                "\r\x1b[K3.00 s of audio in 0.20 s, RTF 0.067" + first_audio +
                                "\r\x1b[Kwarning\n3.00 s of audio in 0.20 s, RTF 0.067" +
                                first_audio + ", seed 7\n");
}

}  // namespace
}  // namespace shoal::client
