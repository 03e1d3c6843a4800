#include "tests/support/golden.h"

#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "common/checkpoint/tensor_values.h"

namespace shoal::testing {
namespace {

using checkpoint::DType;

[[noreturn]] void Missing(const std::string& what) {
  throw std::runtime_error("golden data: " + what);
}

bool IsFloating(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 ||
         dtype == DType::kF64;
}

checkpoint::SafetensorsFile OpenOrThrow(const std::string& path) {
  auto file = checkpoint::SafetensorsFile::Open(path);
  if (!file.ok()) Missing(std::string(file.status().message()));
  return *std::move(file);
}

}  // namespace

std::string GoldenDir() {
  const char* chosen = std::getenv("SHOAL_GOLDEN_DIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : SHOAL_SOURCE_DIR "/tests/golden";
}

std::string GoldenCheckpoint() { return GoldenDir() + "/checkpoint"; }

std::string GoldenText(const std::string& relative_path) {
  const std::string path = GoldenDir() + "/" + relative_path;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) Missing(path + " cannot be read");
  return text.str();
}

nlohmann::json GoldenJson(const std::string& relative_path) {
  return nlohmann::json::parse(GoldenText(relative_path));
}

nlohmann::json GoldenManifest() { return GoldenJson("manifest.json"); }

nlohmann::json GoldenCase(const std::string& relative_path) {
  const nlohmann::json manifest = GoldenManifest();
  for (const nlohmann::json& entry : manifest.at("cases")) {
    if (entry.at("file") == relative_path) return entry;
  }
  Missing("manifest.json does not list " + relative_path);
}

std::vector<std::string> GoldenFiles(const std::string& prefix, const std::string& suffix) {
  std::vector<std::string> files;
  const nlohmann::json manifest = GoldenManifest();
  for (const nlohmann::json& entry : manifest.at("cases")) {
    const std::string file = entry.at("file");
    if (file.starts_with(prefix) && file.ends_with(suffix)) files.push_back(file);
  }
  return files;
}

double GoldenTolerance(const std::string& relative_path, const std::vector<std::string>& keys) {
  nlohmann::json value = GoldenCase(relative_path).at("tolerance");
  for (const std::string& key : keys) {
    if (!value.is_object() || !value.contains(key)) {
      Missing("manifest.json: the tolerance of " + relative_path + " has no " + key);
    }
    value = nlohmann::json(value[key]);
  }
  return value.get<double>();
}

GoldenFile::GoldenFile(const std::string& relative_path)
    : path_(relative_path), file_(OpenOrThrow(GoldenDir() + "/" + relative_path)) {}

bool GoldenFile::Has(const std::string& name) const { return file_.Has(name); }

std::vector<std::string> GoldenFile::names() const { return file_.names(); }

checkpoint::TensorView GoldenFile::View(const std::string& name) const {
  auto view = file_.Find(name);
  if (!view.ok()) Missing(std::string(view.status().message()));
  return *view;
}

std::vector<int64_t> GoldenFile::Shape(const std::string& name) const { return View(name).shape; }

std::vector<float> GoldenFile::F32(const std::string& name) const {
  const checkpoint::TensorView view = View(name);
  if (!IsFloating(view.dtype)) Missing(path_ + ": " + name + " does not hold floating numbers");
  return checkpoint::ToFloats(view);
}

std::vector<int64_t> GoldenFile::I64(const std::string& name) const {
  const checkpoint::TensorView view = View(name);
  if (IsFloating(view.dtype)) Missing(path_ + ": " + name + " does not hold whole numbers");
  return checkpoint::ToInt64s(view);
}

std::vector<int32_t> GoldenFile::I32(const std::string& name) const {
  std::vector<int32_t> values;
  for (const int64_t value : I64(name)) {
    if (value < std::numeric_limits<int32_t>::min() ||
        value > std::numeric_limits<int32_t>::max()) {
      Missing(path_ + ": a value of " + name + " does not fit 32 bits");
    }
    values.push_back(static_cast<int32_t>(value));
  }
  return values;
}

}  // namespace shoal::testing
