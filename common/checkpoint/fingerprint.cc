#include "common/checkpoint/fingerprint.h"

#include <sodium.h>
#include <sys/stat.h>

#include <optional>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/checkpoint/json_reader.h"
#include "common/checkpoint/mapped_file.h"

namespace shoal::checkpoint {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;
constexpr char kFileName[] = "/fingerprint.json";

class Sha256 {
 public:
  Sha256() { crypto_hash_sha256_init(&state_); }

  void Add(const void* data, size_t size) {
    crypto_hash_sha256_update(&state_, static_cast<const unsigned char*>(data), size);
  }

  std::string Finish() {
    std::string hash(crypto_hash_sha256_BYTES, '\0');
    crypto_hash_sha256_final(&state_, reinterpret_cast<unsigned char*>(hash.data()));
    return hash;
  }

 private:
  crypto_hash_sha256_state state_;
};

std::optional<int64_t> FileSize(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return static_cast<int64_t>(info.st_size);
}

FingerprintEntry MakeEntry(const std::string& directory, std::string hash,
                           const std::vector<std::string>& files) {
  FingerprintEntry entry{std::move(hash), {}};
  for (const std::string& file : files) {
    entry.files[file] = FileSize(absl::StrCat(directory, "/", file)).value_or(-1);
  }
  return entry;
}

absl::Status ReadEntry(const nlohmann::json& json, FingerprintEntry* entry) {
  const auto wrong = [] {
    return absl::InvalidArgumentError(
        "expected {\"sha256\": 64 hex digits, \"files\": {name: bytes}}");
  };
  if (!json.is_object() || !json.contains("sha256") || !json["sha256"].is_string() ||
      !json.contains("files") || !json["files"].is_object()) {
    return wrong();
  }
  const std::string& hex = json["sha256"].get_ref<const std::string&>();
  if (hex.size() != 2 * crypto_hash_sha256_BYTES ||
      hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return wrong();
  }
  entry->sha256 = absl::HexStringToBytes(hex);
  for (const auto& [name, size] : json["files"].items()) {
    if (!size.is_number_unsigned() || size.get<uint64_t>() > INT64_MAX ||
        name.find('/') != std::string::npos) {
      return wrong();
    }
    entry->files[name] = size.get<int64_t>();
  }
  return absl::OkStatus();
}

}  // namespace

std::string HexString(const std::string& bytes) { return absl::BytesToHexString(bytes); }

std::string HashTensors(const TensorStore& store) {
  Sha256 hash;
  for (const std::string& name : store.names()) {
    const absl::StatusOr<TensorView> view = store.Find(name);
    if (!view.ok()) continue;  // names() names only what Find finds
    const std::string head = absl::StrCat(name, "\n", DTypeName(view->dtype), "\n",
                                          absl::StrJoin(view->shape, ","), "\n");
    hash.Add(head.data(), head.size());
    hash.Add(view->bytes.data(), view->bytes.size());
  }
  return hash.Finish();
}

absl::StatusOr<std::string> HashFile(const std::string& path) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  Sha256 hash;
  hash.Add(file->bytes().data(), file->bytes().size());
  return hash.Finish();
}

absl::StatusOr<FingerprintFile> ReadFingerprintFile(const std::string& directory) {
  const std::string path = absl::StrCat(directory, kFileName);
  absl::StatusOr<std::string> text = ReadTextFile(path, kMaxFileBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<nlohmann::json> json = ParseJson(*text, path);
  if (!json.ok()) return json.status();
  if (!json->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected a JSON object"));
  }
  FingerprintFile file;
  for (const auto& [part, value] : json->items()) {
    if (absl::Status status = ReadEntry(value, &file[part]); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", part, ": ", status.message()));
    }
  }
  return file;
}

absl::Status WriteFingerprintFile(const std::string& directory, const FingerprintFile& file) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [part, entry] : file) {
    json[part] = {{"sha256", HexString(entry.sha256)}, {"files", entry.files}};
  }
  return WriteFile(absl::StrCat(directory, kFileName), json.dump(2) + "\n");
}

bool SizesMatch(const std::string& directory, const FingerprintEntry& entry) {
  for (const auto& [name, size] : entry.files) {
    if (FileSize(absl::StrCat(directory, "/", name)) != size) return false;
  }
  return !entry.files.empty();
}

FingerprintEntry HashPart(const std::string& directory, const TensorStore& store) {
  return MakeEntry(directory, HashTensors(store), store.files());
}

absl::StatusOr<FingerprintFile> ComputeFingerprint(const std::string& directory) {
  FingerprintFile file;
  const std::string tokenizer = absl::StrCat(directory, "/tokenizer.json");
  if (FileSize(tokenizer)) {
    absl::StatusOr<std::string> hash = HashFile(tokenizer);
    if (!hash.ok()) return hash.status();
    file["tokenizer"] = MakeEntry(directory, *std::move(hash), {"tokenizer.json"});
  }
  for (const auto& [part, stem] :
       {std::pair("transformer", "model"), std::pair("codec", "codec")}) {
    absl::StatusOr<TensorStore> store = TensorStore::Open(directory, stem);
    if (absl::IsNotFound(store.status())) continue;
    if (!store.ok()) return store.status();
    file[part] = HashPart(directory, *store);
  }
  return file;
}

}  // namespace shoal::checkpoint
