#include "common/audio/wav_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "common/audio/recording.h"
#include "common/audio/sample_format.h"

namespace shoal::audio {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

uint32_t SizeAt(const std::string& header, size_t at) {
  uint32_t size = 0;
  for (int i = 3; i >= 0; --i) size = size << 8 | static_cast<uint8_t>(header[at + i]);
  return size;
}

TEST(WavHeader, SaysTheExactSizesOrNone) {
  const std::string exact = WavHeader(24000, 1000);
  ASSERT_EQ(exact.size(), static_cast<size_t>(kWavHeaderBytes));
  EXPECT_EQ(SizeAt(exact, 4), 1036u);
  EXPECT_EQ(SizeAt(exact, 40), 1000u);
  EXPECT_EQ(SizeAt(exact, 24), 24000u);
  for (const auto& unknown : {WavHeader(24000, std::nullopt), WavHeader(24000, 1ull << 32)}) {
    EXPECT_EQ(SizeAt(unknown, 4), 0xffffffffu);
    EXPECT_EQ(SizeAt(unknown, 40), 0xffffffffu);
  }
}

TEST(WavFileWriter, WhatWasWrittenIsReadBack) {
  const std::string path = ::testing::TempDir() + "/shoal_wav_file_test.wav";
  absl::StatusOr<WavFileWriter> writer = WavFileWriter::Open(path, 22050);
  ASSERT_TRUE(writer.ok()) << writer.status();
  std::string bytes;
  AppendInt16({0.5f, -0.25f, 0.125f}, &bytes);
  ASSERT_TRUE(writer->Append(bytes).ok());
  ASSERT_TRUE(writer->Append(bytes).ok());
  ASSERT_TRUE(writer->Close().ok());

  const std::string file = ReadFile(path);
  EXPECT_EQ(SizeAt(file, 40), 12u);
  const absl::StatusOr<Recording> recording = DecodeRecording(file, {});
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->sample_rate, 22050);
  EXPECT_THAT(recording->samples,
              ::testing::ElementsAre(0.5f, -0.25f, 0.125f, 0.5f, -0.25f, 0.125f));
}

TEST(WavFileWriter, NamesTheFileThatCannotBeMade) {
  const absl::StatusOr<WavFileWriter> writer = WavFileWriter::Open("/nowhere/out.wav", 22050);
  ASSERT_FALSE(writer.ok());
  EXPECT_THAT(std::string(writer.status().message()), ::testing::HasSubstr("/nowhere/out.wav"));
}

}  // namespace
}  // namespace shoal::audio
