#include "client/wav_output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/audio/wav_file.h"
#include "tests/client/temporary_file.h"

namespace shoal::client {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kRate = 24000;
const std::string kSamples = "abcdef";
const std::string kWhole = audio::WavHeader(kRate, 6) + kSamples;
const std::string kStreamed = audio::WavHeader(kRate, std::nullopt) + kSamples;

class WavOutputTest : public ::testing::Test {
 protected:
  WavOutputTest() {
    std::string name = ::testing::TempDir() + "/shoal_wav_output_XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/out.wav";
  }
  ~WavOutputTest() override { std::filesystem::remove_all(folder_); }

  std::string Content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t Files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::string folder_, path_;
};

void Fill(WavOutput* output) {
  ASSERT_TRUE(output->Begin(kRate).ok());
  ASSERT_TRUE(output->Append(kSamples.substr(0, 2)).ok());
  ASSERT_TRUE(output->Append(kSamples.substr(2)).ok());
}

TEST_F(WavOutputTest, AFileAppearsWholeAtTheEnd) {
  auto output = WavOutput::Create(path_);
  ASSERT_TRUE(output.ok()) << output.status();
  Fill(&*output);
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_TRUE(output->Finish().ok());
  EXPECT_EQ(Content(), kWhole);
  EXPECT_EQ(Files(), 1u);
}

TEST_F(WavOutputTest, WithoutFinishAnOlderFileStays) {
  std::ofstream(path_) << "older";
  {
    auto output = WavOutput::Create(path_);
    ASSERT_TRUE(output.ok()) << output.status();
    Fill(&*output);
  }
  EXPECT_EQ(Content(), "older");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(WavOutputTest, ALinkStaysALink) {
  const std::string target = folder_ + "/target.wav";
  std::ofstream(target) << "older";
  std::filesystem::create_symlink(target, path_);
  auto output = WavOutput::Create(path_);
  ASSERT_TRUE(output.ok()) << output.status();
  Fill(&*output);
  ASSERT_TRUE(output->Finish().ok());
  EXPECT_TRUE(std::filesystem::is_symlink(path_));
  EXPECT_EQ(Content(), kWhole);
}

TEST_F(WavOutputTest, WhatCannotBeCreatedIsNamed) {
  EXPECT_THAT(std::string(WavOutput::Create("/nowhere/a.wav").status().message()),
              HasSubstr("/nowhere/a.wav"));
  EXPECT_FALSE(WavOutput::Create(folder_).ok());
}

TEST_F(WavOutputTest, ADeviceIsWrittenToDirectly) {
  auto output = WavOutput::Create("/dev/null");
  ASSERT_TRUE(output.ok()) << output.status();
  Fill(&*output);
  EXPECT_TRUE(output->Finish().ok());
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(WavOutputTest, AFullDiskIsAnError) {
  auto output = WavOutput::Create("/dev/full");
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(std::string(output->Begin(kRate).message()), HasSubstr("cannot write /dev/full"));
}

TEST_F(WavOutputTest, APipeGetsTheHeaderOfAStream) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  WavOutput output = WavOutput::To(ends[1], "pipe");
  Fill(&output);
  EXPECT_TRUE(output.Finish().ok());
  std::string content(1000, '\0');
  const ssize_t count = read(ends[0], content.data(), content.size());
  ASSERT_GT(count, 0);
  EXPECT_EQ(content.substr(0, static_cast<size_t>(count)), kStreamed);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(WavOutputTest, ARedirectedFileGetsExactSizes) {
  TemporaryFile file;
  ASSERT_EQ(write(fileno(file.stream()), "before", 6), 6);
  WavOutput output = WavOutput::To(fileno(file.stream()), "standard output");
  Fill(&output);
  EXPECT_TRUE(output.Finish().ok());
  EXPECT_EQ(file.Content(), "before" + kWhole);
}

TEST_F(WavOutputTest, AFileOpenForAppendingKeepsTheHeaderOfAStream) {
  TemporaryFile file;
  ASSERT_EQ(fcntl(fileno(file.stream()), F_SETFL, O_APPEND), 0);
  WavOutput output = WavOutput::To(fileno(file.stream()), "standard output");
  Fill(&output);
  EXPECT_TRUE(output.Finish().ok());
  EXPECT_EQ(file.Content(), kStreamed);
}

}  // namespace
}  // namespace shoal::client
