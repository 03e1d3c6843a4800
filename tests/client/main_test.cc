// The `shoal` binary as a user types it, against a whole front in this process.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/audio/wav_file.h"
#include "tests/client/temporary_file.h"
#include "tests/services/preprocess/front/front_fixture.h"

namespace shoal::client {
namespace {

using ::shoal::testing::FakeEngine;
using ::shoal::testing::FrontFixture;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// One run; its standard input is empty.
class Shoal {
 public:
  explicit Shoal(const std::vector<std::string>& arguments) {
    std::vector<char*> argv = {const_cast<char*>(SHOAL_CLIENT)};
    for (const std::string& argument : arguments) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, fileno(output_.stream()), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, fileno(error_.stream()), STDERR_FILENO);
    EXPECT_EQ(posix_spawn(&pid_, SHOAL_CLIENT, &files, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
  }

  void Interrupt() { kill(pid_, SIGINT); }

  // The exit code.
  int Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  std::string Output() { return output_.Content(); }
  std::string Error() { return error_.Content(); }

 private:
  TemporaryFile output_, error_;
  pid_t pid_ = -1;
};

TEST(Main, TellsHelpAndVersion) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--help"},
                                             {"--version"},
                                             {"say", "--help"},
                                             {"health", "--help"},
                                             {"info", "--version"}}) {
    Shoal shoal(arguments);
    EXPECT_EQ(shoal.Wait(), 0);
    EXPECT_THAT(shoal.Output(), StartsWith("shoal"));
    EXPECT_EQ(shoal.Error(), "");
  }
}

TEST(Main, BadUsageIsOneLineThatNamesIt) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "a command is missing"},
      {{"sing"}, "\"sing\""},
      {{"--no-such-flag=1"}, "--no-such-flag"},
      {{"say", "text", "--no-such-flag=1"}, "--no-such-flag"},
      {{"health", "--no-such-flag=1"}, "--no-such-flag"},
      {{"info", "--server=nowhere"}, "--server"},
      {{"say", "text", "-o", "/dev/null", "--server=nowhere"}, "--server"},
      {{"say", "text", "-o", "/nowhere/out.wav"}, "/nowhere/out.wav"},
      {{"say", "text", "-o", "/dev/null", "--reference", "/nowhere.wav"}, "/nowhere.wav"},
      {{"say", "text", "-o", "/dev/null", "--reference"}, "--reference"},
      {{"say", "text", "-o", "/dev/null", "--top-k=-1"}, "--top-k"},
      {{"say", "text", "-o", "/dev/null", "--ras=on"}, "--ras"}};
  for (const auto& [arguments, named] : cases) {
    Shoal shoal(arguments);
    EXPECT_EQ(shoal.Wait(), 2) << named;
    const std::string error = shoal.Error();
    EXPECT_THAT(error, HasSubstr(named));
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << error;
  }
}

TEST(Main, AnUnreachableServerIsNamed) {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"say", "text", "-o", "/dev/null"}, {"health"}, {"info"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--server=127.0.0.1:1");
    Shoal shoal(arguments);
    EXPECT_EQ(shoal.Wait(), 1);
    EXPECT_THAT(shoal.Error(), HasSubstr("127.0.0.1:1: UNAVAILABLE"));
  }
}

// Blocks until a file in the folder has more than `bytes` bytes; false after 20 s. Made before
// anything writes there.
class FolderWatch {
 public:
  explicit FolderWatch(const std::string& folder) : folder_(folder), watch_(inotify_init1(0)) {
    EXPECT_GE(inotify_add_watch(watch_, folder.c_str(), IN_MODIFY), 0);
  }
  ~FolderWatch() { close(watch_); }

  bool AwaitFile(uintmax_t bytes) {
    for (;;) {
      for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
        if (entry.file_size() > bytes) return true;
      }
      pollfd event = {watch_, POLLIN, 0};
      char events[4096];
      if (poll(&event, 1, 20000) <= 0 || read(watch_, events, sizeof(events)) <= 0) return false;
    }
  }

 private:
  const std::string folder_;
  const int watch_;
};

// The engine speaks one frame and falls silent, so only the signal can end the call.
TEST(Main, AnInterruptKeepsWhatWasReceived) {
  FrontFixture::Options options;
  options.engines[0].stop_after = 1;
  FrontFixture front(options);
  std::string folder = ::testing::TempDir() + "shoal_main_test_XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  FolderWatch watch(folder);
  const std::string path = folder + "/out.wav";
  Shoal shoal({"say", "Hello.", "-o", path, "--seed=7", "--server=" + front.server().address()});
  EXPECT_TRUE(watch.AwaitFile(audio::kWavHeaderBytes));
  EXPECT_FALSE(std::filesystem::exists(path));
  shoal.Interrupt();
  EXPECT_EQ(shoal.Wait(), 130);
  EXPECT_THAT(shoal.Error(), HasSubstr("interrupted\n0.02 s of audio"));
  EXPECT_THAT(shoal.Error(), HasSubstr("seed 7 -> " + path + "\n"));
  std::ifstream file(path, std::ios::binary);
  const std::string wav(std::istreambuf_iterator<char>(file), {});
  const size_t bytes = testing::kFrameLength * 2;
  ASSERT_EQ(wav.size(), audio::kWavHeaderBytes + bytes);
  EXPECT_EQ(wav.substr(0, audio::kWavHeaderBytes), audio::WavHeader(testing::kSampleRate, bytes));
  EXPECT_TRUE(front.engine().AwaitCancelled(1));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shoal::client
