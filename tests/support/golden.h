// Golden data for tests: arrays computed by the reference implementation, see the folder's
// README.md.
//
// The folder is $SHOAL_GOLDEN_DIR, or tests/golden of the source tree. It may be of any sizes:
// tests take cases, counts and shapes from what is there. Everything here throws
// std::runtime_error, naming the file and array, when something is missing or of another type.
#ifndef SHOAL_TESTS_SUPPORT_GOLDEN_H_
#define SHOAL_TESTS_SUPPORT_GOLDEN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/checkpoint/safetensors.h"
#include "nlohmann/json.hpp"

namespace shoal::testing {

std::string GoldenDir();
// GoldenDir() + "/checkpoint".
std::string GoldenCheckpoint();

// The text of a file below GoldenDir().
std::string GoldenText(const std::string& relative_path);
// A JSON file below GoldenDir(), and the manifest itself.
nlohmann::json GoldenJson(const std::string& relative_path);
nlohmann::json GoldenManifest();
// The manifest's entry of a file: {"file", "about", "tolerance", "tensors"...}.
nlohmann::json GoldenCase(const std::string& relative_path);
// Paths in the manifest that begin with `prefix` and end with `suffix`, in its order.
std::vector<std::string> GoldenFiles(const std::string& prefix, const std::string& suffix);
// A number of the manifest's tolerance of a file: GoldenTolerance("fast_ar/fast.safetensors",
// {"float32", "atol"}).
double GoldenTolerance(const std::string& relative_path, const std::vector<std::string>& keys);

// One safetensors file below GoldenDir(). Values are row-major.
class GoldenFile {
 public:
  explicit GoldenFile(const std::string& relative_path);

  bool Has(const std::string& name) const;
  std::vector<std::string> names() const;
  std::vector<int64_t> Shape(const std::string& name) const;
  std::vector<float> F32(const std::string& name) const;    // any floating dtype
  std::vector<int64_t> I64(const std::string& name) const;  // any whole-number dtype
  std::vector<int32_t> I32(const std::string& name) const;  // throws if a value does not fit
  checkpoint::TensorView View(const std::string& name) const;

 private:
  std::string path_;
  checkpoint::SafetensorsFile file_;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SUPPORT_GOLDEN_H_
