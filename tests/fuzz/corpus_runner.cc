// main() of a fuzz target that is built without libFuzzer: runs every file of the folders given
// through the target once. Fails when there is nothing to run, so that a corpus cannot go missing
// unnoticed.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// Sorted, so that a failure comes at the same place every time.
std::vector<std::string> FilesOf(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// False when the file cannot be read.
bool RunFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file),
                                std::istreambuf_iterator<char>()};
  if (!file) return false;
  // A copy of exactly this size: a sanitizer sees a read behind its end.
  std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  exact.shrink_to_fit();
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "%s: expected folders of inputs\n", argv[0]);
    return 2;
  }
  size_t inputs = 0;
  for (int i = 1; i < argc; ++i) {
    const std::vector<std::string> files = FilesOf(argv[i]);
    if (files.empty()) {
      std::fprintf(stderr, "%s: %s holds no file\n", argv[0], argv[i]);
      return 1;
    }
    for (const std::string& path : files) {
      std::fprintf(stderr, "%s\n", path.c_str());
      if (!RunFile(path)) {
        std::fprintf(stderr, "%s: %s cannot be read\n", argv[0], path.c_str());
        return 1;
      }
    }
    inputs += files.size();
  }
  std::fprintf(stderr, "%zu inputs\n", inputs);
  return 0;
}
