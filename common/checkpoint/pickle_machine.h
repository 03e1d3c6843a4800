// The stack machine that a pickle is a program for, cut down to what torch.save writes for a dict
// of tensors. See state_dict_pickle.h, which is what to include.
//
// Private to checkpoint. A machine runs one program once, on one thread.
#ifndef SHOAL_COMMON_CHECKPOINT_PICKLE_MACHINE_H_
#define SHOAL_COMMON_CHECKPOINT_PICKLE_MACHINE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/checkpoint/safetensors.h"
#include "common/checkpoint/state_dict_pickle.h"

namespace shoal::checkpoint::pickle {

// A value on the machine's stack is a place in its arena: values are shared and may refer to each
// other in circles, which costs nothing here.
using Ref = uint32_t;

struct None {};
struct Tuple {
  std::vector<Ref> items;
};
struct List {};  // its items are never looked at
struct Dict {
  bool ordered;  // collections.OrderedDict
  std::vector<std::pair<Ref, Ref>> items;
};
enum class Global { kOrderedDict, kRebuildTensor, kStorage };
struct GlobalName {
  Global global;
  DType dtype;  // of kStorage
};
struct Storage {
  DType dtype;
  std::string key;
  int64_t elements;
};
using Value = std::variant<None, bool, int64_t, double, std::string, Tuple, List, Dict, GlobalName,
                           Storage, PickledTensor>;

class Machine {
 public:
  explicit Machine(absl::Span<const std::byte> pickle)
      : input_(reinterpret_cast<const char*>(pickle.data()), pickle.size()) {}

  // The tensors of the dict that the program makes.
  absl::StatusOr<std::vector<PickledTensor>> Run();

 private:
  // The interpreter (pickle_machine.cc).
  void Execute(char opcode);
  void ExecuteConstant(char opcode);
  void ExecuteContainer(char opcode);

  // What its few functions and objects mean for tensors (state_dict_pickle.cc).
  void ReadGlobal();
  void Reduce();
  void RebuildTensor(const Tuple& arguments);
  void LoadStorage();
  absl::StatusOr<std::vector<PickledTensor>> Result();

  // Keeps the first error, which ends the run.
  void Fail(std::string what);

  // The next bytes of the program; an empty view and an error when they are not there.
  absl::string_view TakeBytes(size_t size);
  std::string TakeLine();
  template <typename T>
  T Take() {
    T value{};
    const absl::string_view bytes = TakeBytes(sizeof(T));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  void Push(Value value);
  // The top of the stack; a None and an error when there is nothing above the last mark.
  Ref Pop();
  // The same, left where it is.
  Ref Top();
  // Everything above the last mark, and the mark.
  std::vector<Ref> PopToMark();
  void PushTuple(size_t count);
  void SetItems(const std::vector<Ref>& items);
  void Append();
  void Put(uint32_t slot);
  void Get(uint32_t slot);

  // Null when the value is of another type. Valid until the next Push.
  template <typename T>
  T* As(Ref ref) {
    return std::get_if<T>(&arena_[ref]);
  }
  // A tuple of few whole numbers.
  std::optional<std::vector<int64_t>> Integers(Ref ref);

  absl::string_view input_;
  size_t at_ = 0;
  size_t opcode_at_ = 0;
  bool stopped_ = false;
  std::string error_;
  std::vector<Value> arena_{None{}};  // place 0 is what a failed Pop gives
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  absl::flat_hash_map<uint32_t, Ref> memo_;
};

}  // namespace shoal::checkpoint::pickle

#endif  // SHOAL_COMMON_CHECKPOINT_PICKLE_MACHINE_H_
