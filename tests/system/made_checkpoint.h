// Checkpoints and recordings that system tests make for themselves.

#ifndef SHOAL_TESTS_SYSTEM_MADE_CHECKPOINT_H_
#define SHOAL_TESTS_SYSTEM_MADE_CHECKPOINT_H_

#include <string>
#include <vector>

namespace shoal::testing {

// A folder that `shoal-checkpoint make-tiny` has made with these options; made once per process.
// Throws std::runtime_error with the tool's message when it fails.
std::string MadeCheckpoint(const std::vector<std::string>& options);

// A mono 16 bit WAV file with a chord of `seconds`, at the rate of the checkpoint's codec.
std::string ToneWav(const std::string& checkpoint, double seconds);

// The samples of that file, in [-1, 1].
std::vector<float> ToneSamples(const std::string& checkpoint, double seconds);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SYSTEM_MADE_CHECKPOINT_H_
