#include "tests/reference_model/golden_folder.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <utility>

#include "common/checkpoint/safetensors.h"

namespace shoal::reference {
namespace {

using checkpoint::DType;

template <typename T>
absl::Span<const std::byte> BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

GoldenArray Floats(const std::string& name, const Array& values) {
  return {name, values.shape, {values.data.begin(), values.data.end()}, {}};
}

GoldenArray Floats(const std::string& name, const std::vector<float>& values) {
  return {name, {static_cast<int64_t>(values.size())}, values, {}};
}

GoldenArray Integers(const std::string& name, std::vector<int64_t> shape,
                     std::vector<int64_t> values) {
  return {name, std::move(shape), {}, std::move(values)};
}

GoldenArray Codes(const std::string& name, const std::vector<std::vector<int64_t>>& codes,
                  int64_t num_codebooks) {
  GoldenArray array = {name, {num_codebooks, static_cast<int64_t>(codes.size())}, {}, {}};
  for (int64_t k = 0; k < num_codebooks; ++k) {
    for (const auto& frame : codes) array.integers.push_back(frame.at(k));
  }
  return array;
}

void GoldenFolder::Write(const std::string& file, const std::string& bytes,
                         const nlohmann::json& entry) {
  const std::string path = Path(file);
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream out(path, std::ios::binary);
  out << bytes << std::flush;
  if (!out) throw std::runtime_error(path + " cannot be written");
  List(file, entry);
}

void GoldenFolder::WriteArrays(const std::string& file, const std::vector<GoldenArray>& arrays,
                               const nlohmann::json& entry) {
  std::vector<checkpoint::NamedTensor> tensors;
  for (const GoldenArray& array : arrays) {
    const bool whole = array.floats.empty();
    tensors.push_back({array.name,
                       {whole ? DType::kI64 : DType::kF32, array.shape,
                        whole ? BytesOf(array.integers) : BytesOf(array.floats)}});
  }
  const std::string path = Path(file);
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  const absl::Status written = checkpoint::WriteSafetensors(path, tensors, {});
  if (!written.ok()) throw std::runtime_error(written.ToString());
  List(file, entry);
}

void GoldenFolder::List(const std::string& file, nlohmann::json entry) {
  entry["file"] = file;
  if (file.ends_with(".safetensors")) {
    const auto opened = checkpoint::SafetensorsFile::Open(Path(file));
    if (!opened.ok()) throw std::runtime_error(opened.status().ToString());
    for (const std::string& name : opened->names()) {
      const auto view = opened->Find(name);
      entry["tensors"][name] = {{"dtype", std::string(checkpoint::DTypeName(view->dtype))},
                                {"shape", view->shape}};
    }
  }
  cases_.push_back(std::move(entry));
}

void GoldenFolder::WriteManifest() {
  const nlohmann::json manifest = {{"profile", "made"}, {"format", 1}, {"cases", cases_}};
  Write("manifest.json", manifest.dump(1));
}

}  // namespace shoal::reference
