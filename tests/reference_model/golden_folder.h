// A golden folder being written: files and the manifest that lists them, as tests/golden has them.
// Everything here throws std::runtime_error.

#ifndef SHOAL_TESTS_REFERENCE_MODEL_GOLDEN_FOLDER_H_
#define SHOAL_TESTS_REFERENCE_MODEL_GOLDEN_FOLDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/reference_model/array.h"

namespace shoal::reference {

// One array of a file: floats are stored as F32, whole numbers as I64.
struct GoldenArray {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> floats;
  std::vector<int64_t> integers;
};
GoldenArray Floats(const std::string& name, const Array& values);
GoldenArray Floats(const std::string& name, const std::vector<float>& values);
GoldenArray Integers(const std::string& name, std::vector<int64_t> shape,
                     std::vector<int64_t> values);
// codes[frame][codebook] -> (codebooks, frames)
GoldenArray Codes(const std::string& name, const std::vector<std::vector<int64_t>>& codes,
                  int64_t num_codebooks);

class GoldenFolder {
 public:
  explicit GoldenFolder(std::string path) : path_(std::move(path)) {}

  std::string Path(const std::string& file) const { return path_ + "/" + file; }

  // `entry` holds what the manifest says beside the file's name and arrays, e.g. the tolerance.
  void Write(const std::string& file, const std::string& bytes,
             const nlohmann::json& entry = nlohmann::json::object());
  void WriteArrays(const std::string& file, const std::vector<GoldenArray>& arrays,
                   const nlohmann::json& entry);
  // Lists what stands in the folder already.
  void List(const std::string& file, nlohmann::json entry = nlohmann::json::object());

  void WriteManifest();

 private:
  std::string path_;
  nlohmann::json cases_ = nlohmann::json::array();
};

}  // namespace shoal::reference

#endif  // SHOAL_TESTS_REFERENCE_MODEL_GOLDEN_FOLDER_H_
