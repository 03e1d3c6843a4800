#include <utility>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/json_reader.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::checkpoint {
namespace {

constexpr int64_t kMaxIndexBytes = 64 << 20;

}  // namespace

absl::StatusOr<TensorStore> TensorStore::Open(const std::string& directory,
                                              absl::string_view stem) {
  const std::string single = absl::StrCat(stem, ".safetensors");
  absl::StatusOr<SafetensorsFile> file =
      SafetensorsFile::Open(absl::StrCat(directory, "/", single));
  if (absl::IsNotFound(file.status())) {
    return OpenShards(directory, absl::StrCat(single, ".index.json"));
  }
  if (!file.ok()) return file.status();
  TensorStore store;
  store.described_ = file->path();
  store.files_.push_back(single);
  for (const std::string& name : file->names()) store.shard_of_[name] = 0;
  store.shards_.push_back(*std::move(file));
  return store;
}

absl::StatusOr<TensorStore> TensorStore::OpenShards(const std::string& directory,
                                                    const std::string& index) {
  TensorStore store;
  store.described_ = absl::StrCat(directory, "/", index);
  absl::StatusOr<std::string> text = ReadTextFile(store.described_, kMaxIndexBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        absl::StrCat(directory, ": expected ", index.substr(0, index.size() - 11), " or ", index));
  }
  if (!text.ok()) return text.status();
  absl::StatusOr<nlohmann::json> json = ParseJson(*text, store.described_);
  if (!json.ok()) return json.status();
  if (!json->is_object() || !json->contains("weight_map") || !(*json)["weight_map"].is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(store.described_, ": expected an object with a weight_map"));
  }
  std::map<std::string, size_t> opened;
  for (const auto& [name, value] : (*json)["weight_map"].items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : "";
    // A shard stands beside its index: a path would let an index read any file.
    if (shard.empty() || shard.find('/') != std::string::npos ||
        shard.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat(store.described_, ": the shard of tensor \"",
                                                     name, "\" should be a plain file name"));
    }
    if (opened.count(shard) == 0) {
      absl::StatusOr<SafetensorsFile> file =
          SafetensorsFile::Open(absl::StrCat(directory, "/", shard));
      if (!file.ok()) {
        return absl::Status(file.status().code(),
                            absl::StrCat(file.status().message(), " (the shard that ", index,
                                         " names for tensor \"", name, "\")"));
      }
      opened[shard] = store.shards_.size();
      store.shards_.push_back(*std::move(file));
    }
    const size_t number = opened[shard];
    if (!store.shards_[number].Has(name)) {
      return absl::InvalidArgumentError(absl::StrCat(store.shards_[number].path(), ": tensor \"",
                                                     name, "\" is missing, though ", index,
                                                     " places it there"));
    }
    store.shard_of_[name] = number;
  }
  for (const auto& [shard, number] : opened) store.files_.push_back(shard);
  store.files_.push_back(index);
  return store;
}

absl::StatusOr<TensorView> TensorStore::Find(absl::string_view name) const {
  const auto found = shard_of_.find(std::string(name));
  if (found == shard_of_.end()) {
    return absl::NotFoundError(absl::StrCat(described_, ": tensor \"", name, "\" is missing"));
  }
  return shards_[found->second].Find(name);
}

absl::StatusOr<TensorView> TensorStore::Get(absl::string_view name,
                                            absl::Span<const int64_t> shape) const {
  const auto found = shard_of_.find(std::string(name));
  if (found == shard_of_.end()) {
    return absl::NotFoundError(absl::StrCat(described_, ": tensor \"", name,
                                            "\" is missing, expected with shape ",
                                            ShapeString(shape)));
  }
  const SafetensorsFile& shard = shards_[found->second];
  absl::StatusOr<TensorView> view = shard.Find(name);
  if (view.ok() && absl::MakeConstSpan(view->shape) != shape) {
    return absl::InvalidArgumentError(absl::StrCat(shard.path(), ": tensor \"", name,
                                                   "\" has shape ", ShapeString(view->shape),
                                                   ", expected ", ShapeString(shape)));
  }
  return view;
}

bool TensorStore::Has(absl::string_view name) const {
  return shard_of_.count(std::string(name)) > 0;
}

std::vector<std::string> TensorStore::names() const {
  std::vector<std::string> names;
  names.reserve(shard_of_.size());
  for (const auto& [name, shard] : shard_of_) names.push_back(name);
  return names;
}

}  // namespace shoal::checkpoint
