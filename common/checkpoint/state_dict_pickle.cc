#include "common/checkpoint/state_dict_pickle.h"

#include <cstring>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace shoal::checkpoint {
namespace {

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

struct AllowedGlobal {
  const char* module;
  const char* name;
  GlobalName global;
};
constexpr AllowedGlobal kAllowed[] = {
    {"collections", "OrderedDict", {Global::kOrderedDict, DType::kU8}},
    {"torch._utils", "_rebuild_tensor_v2", {Global::kRebuildTensor, DType::kU8}},
    {"torch", "BoolStorage", {Global::kStorage, DType::kBool}},
    {"torch", "ByteStorage", {Global::kStorage, DType::kU8}},
    {"torch", "CharStorage", {Global::kStorage, DType::kI8}},
    {"torch", "ShortStorage", {Global::kStorage, DType::kI16}},
    {"torch", "IntStorage", {Global::kStorage, DType::kI32}},
    {"torch", "LongStorage", {Global::kStorage, DType::kI64}},
    {"torch", "HalfStorage", {Global::kStorage, DType::kF16}},
    {"torch", "BFloat16Storage", {Global::kStorage, DType::kBF16}},
    {"torch", "FloatStorage", {Global::kStorage, DType::kF32}},
    {"torch", "DoubleStorage", {Global::kStorage, DType::kF64}},
};

// Opcodes by their byte in the pickle format.
enum Op : char {
  kProto = '\x80',
  kStop = '.',
  kMark = '(',
  kGlobal = 'c',
  kReduce = 'R',
  kBuild = 'b',
  kBinPersId = 'Q',
  kNone = 'N',
  kNewTrue = '\x88',
  kNewFalse = '\x89',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = '\x8a',
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kEmptyTuple = ')',
  kTuple1 = '\x85',
  kTuple2 = '\x86',
  kTuple3 = '\x87',
  kTuple = 't',
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kBinGet = 'h',
  kLongBinGet = 'j',
};

// S2 Pro's codec takes 0.1 MB and 20,000 values.
constexpr size_t kMaxPickleBytes = 16 << 20;
constexpr size_t kMaxValues = 1 << 20;
// Values are shared, so what each use copies has to be small.
constexpr size_t kMaxRank = 16;
constexpr size_t kMaxKeyBytes = 256;

class Machine {
 public:
  explicit Machine(absl::Span<const std::byte> pickle)
      : input_(reinterpret_cast<const char*>(pickle.data()), pickle.size()) {}

  absl::StatusOr<std::vector<PickledTensor>> Run() {
    while (error_.empty() && !stopped_) {
      opcode_at_ = at_;
      Execute(Take<char>());
    }
    if (!error_.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("pickle: ", error_, " (byte ", opcode_at_, ")"));
    }
    return Result();
  }

 private:
  void Execute(char opcode);
  void ExecuteConstant(char opcode);
  void ExecuteContainer(char opcode);
  void ReadGlobal();
  void Reduce();
  void RebuildTensor(const Tuple& arguments);
  void LoadStorage();
  absl::StatusOr<std::vector<PickledTensor>> Result();

  void Fail(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }

  // The next bytes of the program; an empty view and an error when they are not there.
  absl::string_view TakeBytes(size_t size) {
    if (size > input_.size() - at_) {
      Fail("the program ends within an opcode (truncated?)");
      return {};
    }
    at_ += size;
    return input_.substr(at_ - size, size);
  }

  template <typename T>
  T Take() {
    T value{};
    const absl::string_view bytes = TakeBytes(sizeof(T));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  std::string TakeLine() {
    const size_t end = input_.find('\n', at_);
    const absl::string_view line =
        TakeBytes(end == absl::string_view::npos ? input_.size() : end - at_);
    TakeBytes(1);
    return std::string(line);
  }

  void Push(Value value) {
    if (arena_.size() == kMaxValues) {
      return Fail(absl::StrCat("more than ", kMaxValues, " values"));
    }
    stack_.push_back(static_cast<Ref>(arena_.size()));
    arena_.push_back(std::move(value));
  }

  // The top of the stack; a None and an error when there is nothing above the last mark.
  Ref Pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
      Fail("the stack is empty");
      return 0;
    }
    const Ref top = stack_.back();
    stack_.pop_back();
    return top;
  }

  // The same, left where it is.
  Ref Top() {
    const Ref top = Pop();
    if (error_.empty()) stack_.push_back(top);
    return top;
  }

  // Everything above the last mark, and the mark.
  std::vector<Ref> PopToMark() {
    if (marks_.empty()) {
      Fail("there is no mark");
      return {};
    }
    std::vector<Ref> items(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  void PushTuple(size_t count) {
    Tuple tuple{std::vector<Ref>(count)};
    for (size_t i = count; i-- > 0;) tuple.items[i] = Pop();
    Push(std::move(tuple));
  }

  void SetItems(const std::vector<Ref>& items) {
    Dict* dict = As<Dict>(Top());
    if (dict == nullptr || items.size() % 2 != 0) return Fail("only a dict takes items, in pairs");
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      dict->items.emplace_back(items[i], items[i + 1]);
    }
  }

  void Append() {
    if (As<List>(Top()) == nullptr) Fail("only a list can be appended to");
  }

  void Put(uint32_t slot) { memo_[slot] = Top(); }

  void Get(uint32_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) return Fail(absl::StrCat("memo ", slot, " is empty"));
    stack_.push_back(found->second);
  }

  template <typename T>
  T* As(Ref ref) {
    return std::get_if<T>(&arena_[ref]);
  }

  std::optional<std::vector<int64_t>> Integers(Ref ref) {
    const Tuple* tuple = As<Tuple>(ref);
    if (tuple == nullptr || tuple->items.size() > kMaxRank) return std::nullopt;
    std::vector<int64_t> values;
    for (const Ref item : tuple->items) {
      const int64_t* value = As<int64_t>(item);
      if (value == nullptr) return std::nullopt;
      values.push_back(*value);
    }
    return values;
  }

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

void Machine::Execute(char opcode) {
  if (!error_.empty()) return;
  switch (opcode) {
    case kProto:
      if (const int protocol = Take<uint8_t>(); protocol != 2) {
        Fail(absl::StrCat("protocol ", protocol, "; only 2, that of torch.save, is allowed"));
      }
      return;
    case kStop:
      stopped_ = true;
      return;
    case kMark:
      return marks_.push_back(stack_.size());
    case kGlobal:
      return ReadGlobal();
    case kReduce:
      return Reduce();
    case kBuild:  // torch hangs `_metadata` on the dict; it says nothing about tensors
      Pop();
      if (const Dict* dict = As<Dict>(Top()); dict == nullptr || !dict->ordered) {
        Fail("BUILD is allowed on an OrderedDict alone");
      }
      return;
    case kBinPersId:
      return LoadStorage();
    case kBinPut:
      return Put(Take<uint8_t>());
    case kLongBinPut:
      return Put(Take<uint32_t>());
    case kBinGet:
      return Get(Take<uint8_t>());
    case kLongBinGet:
      return Get(Take<uint32_t>());
    default:
      return ExecuteConstant(opcode);
  }
}

void Machine::ExecuteConstant(char opcode) {
  switch (opcode) {
    case kNone:
      return Push(None{});
    case kNewTrue:
      return Push(true);
    case kNewFalse:
      return Push(false);
    case kBinInt:
      return Push(int64_t{Take<int32_t>()});
    case kBinInt1:
      return Push(int64_t{Take<uint8_t>()});
    case kBinInt2:
      return Push(int64_t{Take<uint16_t>()});
    case kLong1: {  // little-endian two's complement of the given length
      const size_t size = Take<uint8_t>();
      const absl::string_view bytes = TakeBytes(size);
      if (size > sizeof(int64_t)) return Fail("an integer of more than 64 bits");
      uint64_t value = !bytes.empty() && (bytes.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
      if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
      return Push(static_cast<int64_t>(value));
    }
    case kBinFloat:
      TakeBytes(sizeof(double));
      return Push(0.0);  // no number of a state dict is looked at
    case kBinUnicode:
      return Push(std::string(TakeBytes(Take<uint32_t>())));
    default:
      return ExecuteContainer(opcode);
  }
}

void Machine::ExecuteContainer(char opcode) {
  switch (opcode) {
    case kEmptyTuple:
      return Push(Tuple{});
    case kTuple1:
      return PushTuple(1);
    case kTuple2:
      return PushTuple(2);
    case kTuple3:
      return PushTuple(3);
    case kTuple:
      return Push(Tuple{PopToMark()});
    case kEmptyList:
      return Push(List{});
    case kAppend:
      Pop();
      return Append();
    case kAppends:
      PopToMark();
      return Append();
    case kEmptyDict:
      return Push(Dict{false, {}});
    case kSetItem: {
      const Ref value = Pop();
      const Ref key = Pop();
      return SetItems({key, value});
    }
    case kSetItems:
      return SetItems(PopToMark());
    default:
      return Fail(absl::StrCat("opcode 0x",
                               absl::Hex(static_cast<uint8_t>(opcode), absl::kZeroPad2),
                               " is not allowed"));
  }
}

void Machine::ReadGlobal() {
  const std::string module = TakeLine();
  const std::string name = TakeLine();
  for (const AllowedGlobal& allowed : kAllowed) {
    if (module == allowed.module && name == allowed.name) return Push(allowed.global);
  }
  Fail(absl::StrCat("global ", absl::CEscape(module), ".", absl::CEscape(name),
                    " is not allowed: only tensors and OrderedDict are"));
}

void Machine::Reduce() {
  const Ref arguments = Pop();
  const Ref function = Pop();
  const Tuple* tuple = As<Tuple>(arguments);
  const GlobalName* global = As<GlobalName>(function);
  if (tuple == nullptr || global == nullptr || global->global == Global::kStorage) {
    return Fail("only OrderedDict and _rebuild_tensor_v2 may be called");
  }
  if (global->global == Global::kRebuildTensor) return RebuildTensor(*tuple);
  if (!tuple->items.empty()) return Fail("OrderedDict takes no arguments here");
  Push(Dict{true, {}});
}

// (storage, offset, size, stride, requires_grad, backward_hooks[, metadata])
void Machine::RebuildTensor(const Tuple& arguments) {
  const std::vector<Ref>& items = arguments.items;
  if (items.size() != 6 && items.size() != 7) {
    return Fail("_rebuild_tensor_v2 takes 6 or 7 arguments");
  }
  const Storage* storage = As<Storage>(items[0]);
  const int64_t* offset = As<int64_t>(items[1]);
  std::optional<std::vector<int64_t>> shape = Integers(items[2]);
  std::optional<std::vector<int64_t>> stride = Integers(items[3]);
  if (storage == nullptr || offset == nullptr || !shape || !stride) {
    return Fail(
        "_rebuild_tensor_v2 takes a storage, an offset, and a shape and a stride of few sizes");
  }
  Push(PickledTensor{"", storage->dtype, storage->key, storage->elements, *offset,
                     *std::move(shape), *std::move(stride)});
}

// The persistent id is ("storage", type, key, location, elements).
void Machine::LoadStorage() {
  const Tuple* id = As<Tuple>(Pop());
  if (id == nullptr || id->items.size() != 5) return Fail("a persistent id should be a 5-tuple");
  const std::string* kind = As<std::string>(id->items[0]);
  const GlobalName* type = As<GlobalName>(id->items[1]);
  const std::string* key = As<std::string>(id->items[2]);
  const int64_t* elements = As<int64_t>(id->items[4]);
  if (kind == nullptr || *kind != "storage" || type == nullptr ||
      type->global != Global::kStorage || key == nullptr || elements == nullptr ||
      key->size() > kMaxKeyBytes) {
    return Fail("a persistent id should name a storage, its type, key and size");
  }
  Push(Storage{type->dtype, *key, *elements});
}

absl::StatusOr<std::vector<PickledTensor>> Machine::Result() {
  const Dict* dict = As<Dict>(Pop());
  if (dict == nullptr || !stack_.empty() || !marks_.empty()) {
    return absl::InvalidArgumentError("pickle: expected one dict of tensors");
  }
  std::vector<PickledTensor> tensors;
  std::set<std::string> names;
  for (const auto& [key, value] : dict->items) {
    const std::string* name = As<std::string>(key);
    const PickledTensor* tensor = As<PickledTensor>(value);
    if (name == nullptr || tensor == nullptr) continue;
    if (!names.insert(*name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("pickle: tensor \"", absl::CEscape(*name), "\" is there twice"));
    }
    tensors.push_back(*tensor);
    tensors.back().name = *name;
  }
  return tensors;
}

}  // namespace

absl::StatusOr<std::vector<PickledTensor>> ReadStateDictPickle(absl::Span<const std::byte> pickle) {
  if (pickle.size() > kMaxPickleBytes) {
    return absl::InvalidArgumentError(absl::StrCat("pickle: ", pickle.size(), " bytes, at most ",
                                                   kMaxPickleBytes, " are accepted"));
  }
  return Machine(pickle).Run();
}

}  // namespace shoal::checkpoint
