#include "common/checkpoint/state_dict_pickle.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/checkpoint/pickle_machine.h"

namespace shoal::checkpoint {
namespace pickle {
namespace {

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

// Values are shared, so what each use copies has to be small.
constexpr size_t kMaxRank = 16;
constexpr size_t kMaxKeyBytes = 256;

}  // namespace

std::optional<std::vector<int64_t>> Machine::Integers(Ref ref) {
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

}  // namespace pickle

namespace {

constexpr size_t kMaxPickleBytes = 16 << 20;  // S2 Pro's codec takes 0.1 MB

}  // namespace

absl::StatusOr<std::vector<PickledTensor>> ReadStateDictPickle(
    absl::Span<const std::byte> program) {
  if (program.size() > kMaxPickleBytes) {
    return absl::InvalidArgumentError(absl::StrCat("pickle: ", program.size(), " bytes, at most ",
                                                   kMaxPickleBytes, " are accepted"));
  }
  return pickle::Machine(program).Run();
}

}  // namespace shoal::checkpoint
