#include "tests/support/torch_file.h"

#include <cstring>

namespace shoal::testing {
namespace {

template <typename T>
std::string Raw(T value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}

}  // namespace

namespace pickle {

std::string Global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

std::string Unicode(const std::string& text) {
  return "X" + Raw(static_cast<uint32_t>(text.size())) + text;
}

std::string Int(int64_t value) {
  if (value >= 0 && value < 256) return "K" + Raw(static_cast<uint8_t>(value));
  if (value >= 0 && value < 65536) return "M" + Raw(static_cast<uint16_t>(value));
  if (value == static_cast<int32_t>(value)) return "J" + Raw(static_cast<int32_t>(value));
  return std::string("\x8a\x08") + Raw(value);
}

std::string Ints(const std::vector<int64_t>& values) {
  std::string items;
  for (const int64_t value : values) items += Int(value);
  return kMark + items + kTuple;
}

std::string Storage(const std::string& type, const std::string& key, int64_t elements) {
  return kMark + Unicode("storage") + Global("torch", type) + Unicode(key) + Unicode("cpu") +
         Int(elements) + kTuple + "Q";
}

std::string Tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& shape,
                   const std::vector<int64_t>& stride) {
  return Global("torch._utils", "_rebuild_tensor_v2") + kMark + storage + Int(offset) +
         Ints(shape) + Ints(stride) + "\x89" + Global("collections", "OrderedDict") + ")" +
         kReduce + kTuple + kReduce;
}

std::string StateDict(const std::vector<std::pair<std::string, std::string>>& items) {
  const std::string ordered_dict = Global("collections", "OrderedDict") + ")" + kReduce;
  std::string pairs;
  for (const auto& [name, value] : items) pairs += Unicode(name) + value;
  return kProto2 + ordered_dict + "q" + Raw(uint8_t{0}) + kMark + pairs + "u" + "}" +
         Unicode("_metadata") + ordered_dict + "s" + kBuild + kStop;
}

}  // namespace pickle

std::string ZipFile(const std::vector<std::pair<std::string, std::string>>& entries,
                    const ZipOptions& options) {
  std::string file;
  std::string directory;
  for (const auto& [name, bytes] : entries) {
    const uint64_t at = file.size();
    const uint32_t size = static_cast<uint32_t>(bytes.size());
    const std::string common = Raw(uint16_t{45}) + Raw(options.flags) + Raw(options.method) +
                               Raw(uint32_t{0}) + Raw(uint32_t{0});
    file += Raw(uint32_t{0x04034b50}) + common + Raw(size) + Raw(size) +
            Raw(static_cast<uint16_t>(name.size())) + Raw(uint16_t{3}) + name + "pad" + bytes;
    const uint32_t in64 = 0xffffffff;
    const std::string extra =
        options.zip64 ? Raw(uint16_t{7}) + Raw(uint16_t{1}) + "?" + Raw(uint16_t{1}) +
                            Raw(uint16_t{24}) + Raw(uint64_t{size}) + Raw(uint64_t{size}) + Raw(at)
                      : "";
    const uint32_t directory_size = options.zip64 ? in64 : size;
    directory += Raw(uint32_t{0x02014b50}) + Raw(uint16_t{45}) + common + Raw(directory_size) +
                 Raw(directory_size) + Raw(static_cast<uint16_t>(name.size())) +
                 Raw(static_cast<uint16_t>(extra.size())) + Raw(uint16_t{0}) + Raw(uint16_t{0}) +
                 Raw(uint16_t{0}) + Raw(uint32_t{0}) +
                 Raw(options.zip64 ? in64 : static_cast<uint32_t>(at)) + name + extra;
  }
  const uint64_t directory_at = file.size();
  const uint64_t count = entries.size();
  file += directory;
  if (options.zip64) {
    const uint64_t end64 = file.size();
    file += Raw(uint32_t{0x06064b50}) + Raw(uint64_t{44}) + Raw(uint16_t{45}) + Raw(uint16_t{45}) +
            Raw(uint32_t{0}) + Raw(uint32_t{0}) + Raw(count) + Raw(count) +
            Raw(uint64_t{directory.size()}) + Raw(directory_at);
    file += Raw(uint32_t{0x07064b50}) + Raw(uint32_t{0}) + Raw(end64) + Raw(uint32_t{1});
  }
  const uint16_t short_count = options.zip64 ? 0xffff : static_cast<uint16_t>(count);
  file += Raw(uint32_t{0x06054b50}) + Raw(uint16_t{0}) + Raw(uint16_t{0}) + Raw(short_count) +
          Raw(short_count) +
          Raw(options.zip64 ? 0xffffffffu : static_cast<uint32_t>(directory.size())) +
          Raw(options.zip64 ? 0xffffffffu : static_cast<uint32_t>(directory_at)) + Raw(uint16_t{0});
  return file;
}

std::string TorchFile(const std::string& pickle, const std::map<std::string, std::string>& storages,
                      const ZipOptions& options) {
  std::vector<std::pair<std::string, std::string>> entries = {{"archive/data.pkl", pickle},
                                                              {"archive/byteorder", "little"}};
  for (const auto& [key, bytes] : storages) entries.emplace_back("archive/data/" + key, bytes);
  return ZipFile(entries, options);
}

}  // namespace shoal::testing
