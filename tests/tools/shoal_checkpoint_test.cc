// The command as a process: exit codes, one line of error, and the way through all commands.

#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace shoal::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Result {
  int exit_code;
  std::string out;
  std::string err;
};

class ShoalCheckpointTest : public ::testing::Test {
 protected:
  Result Run(const std::string& arguments) {
    const std::string command = std::string(SHOAL_CHECKPOINT_BINARY) + " " + arguments + " > " +
                                folder_.File("out") + " 2> " + folder_.File("err");
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, folder_.Read("out"), folder_.Read("err")};
  }

  // Exit code 2 and one line that names the program and what is wrong.
  void ExpectRefused(const std::string& arguments, const std::string& names) {
    const Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_THAT(result.err, AllOf(StartsWith("shoal-checkpoint"), HasSubstr(names))) << arguments;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  }

  shoal::testing::TempDir folder_;
};

TEST_F(ShoalCheckpointTest, GoesThroughAllCommands) {
  const std::string directory = folder_.File("tiny");
  Result result = Run("make-tiny " + directory + " --seed 3 --rates 3,5 --codebooks=4 --untied");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  result = Run("verify " + directory);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(directory + ": good"));
  result = Run("inspect --tensors " + directory);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("codebooks: 4"), HasSubstr("rates 3,5"),
                                HasSubstr("text_model.lm_head.weight BF16")));
}

TEST_F(ShoalCheckpointTest, ExplainsItself) {
  Result result = Run("--help");
  EXPECT_EQ(result.exit_code, 0);
  for (const char* command : {"inspect", "convert-codec", "make-tiny", "verify"}) {
    EXPECT_THAT(result.out, HasSubstr(command));
    const Result help = Run(std::string(command) + " --help");
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr("shoal-checkpoint " + std::string(command)));
  }
  result = Run("--version");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("shoal-checkpoint "));
}

TEST_F(ShoalCheckpointTest, RefusesWrongUse) {
  ExpectRefused("", "expected a command");
  ExpectRefused("frobnicate", "frobnicate");
  ExpectRefused("verify", "DIR");
  ExpectRefused("verify a b", "DIR");
  ExpectRefused("make-tiny x --sede 3", "--sede");
  ExpectRefused("make-tiny x --seed nine", "--seed");
  ExpectRefused("make-tiny x --layers 0", "--layers");
}

TEST_F(ShoalCheckpointTest, RefusesUnusableCheckpoints) {
  ExpectRefused("verify " + folder_.File("none"), "none/config.json");
  ExpectRefused("inspect " + folder_.File("none"), "none");
  folder_.Write("codec.pth", "no archive");
  ExpectRefused("convert-codec " + folder_.File("codec.pth"), "codec.pth: not a zip archive");
  ExpectRefused("convert-codec -o /nowhere " + folder_.File("gone.pth"), "gone.pth");
}

}  // namespace
}  // namespace shoal::tools
