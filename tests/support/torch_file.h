// Writes state dicts as torch.save does (an uncompressed zip of a protocol 2 pickle and storage
// records), and variations of them that readers must refuse. For tests only.
#ifndef SHOAL_TESTS_SUPPORT_TORCH_FILE_H_
#define SHOAL_TESTS_SUPPORT_TORCH_FILE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace shoal::testing {

// Opcodes and constants of a pickle, to be joined by +.
namespace pickle {

inline const std::string kProto2 = "\x80\x02";
inline const std::string kMark = "(";
inline const std::string kTuple = "t";
inline const std::string kReduce = "R";
inline const std::string kBuild = "b";
inline const std::string kStop = ".";
std::string Global(const std::string& module, const std::string& name);
std::string Unicode(const std::string& text);
std::string Int(int64_t value);
std::string Ints(const std::vector<int64_t>& values);  // a tuple
// A storage by its persistent id.
std::string Storage(const std::string& type, const std::string& key, int64_t elements);
// A tensor over a storage (any value).
std::string Tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& shape,
                   const std::vector<int64_t>& stride);
// A whole program: an OrderedDict of the given items (name -> value), with `_metadata` built on.
std::string StateDict(const std::vector<std::pair<std::string, std::string>>& items);

}  // namespace pickle

struct ZipOptions {
  bool zip64 = false;
  uint16_t method = 0;
  uint16_t flags = 0;
};
// An archive of the entries, in order.
std::string ZipFile(const std::vector<std::pair<std::string, std::string>>& entries,
                    const ZipOptions& options = {});

// The archive of a pickle and its storage records (key -> bytes).
std::string TorchFile(const std::string& pickle, const std::map<std::string, std::string>& storages,
                      const ZipOptions& options = {});

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SUPPORT_TORCH_FILE_H_
