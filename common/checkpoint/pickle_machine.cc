#include "common/checkpoint/pickle_machine.h"

#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::checkpoint::pickle {
namespace {

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

constexpr size_t kMaxValues = 1 << 20;  // S2 Pro's codec takes 20,000

}  // namespace

absl::StatusOr<std::vector<PickledTensor>> Machine::Run() {
  while (error_.empty() && !stopped_) {
    opcode_at_ = at_;
    Execute(Take<char>());
  }
  if (!error_.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("pickle: ", error_, " (byte ", opcode_at_, ")"));
  }
  return Result();
}

void Machine::Fail(std::string what) {
  if (error_.empty()) error_ = std::move(what);
}

absl::string_view Machine::TakeBytes(size_t size) {
  if (size > input_.size() - at_) {
    Fail("the program ends within an opcode (truncated?)");
    return {};
  }
  at_ += size;
  return input_.substr(at_ - size, size);
}

std::string Machine::TakeLine() {
  const size_t end = input_.find('\n', at_);
  const absl::string_view line =
      TakeBytes(end == absl::string_view::npos ? input_.size() : end - at_);
  TakeBytes(1);
  return std::string(line);
}

void Machine::Push(Value value) {
  if (arena_.size() == kMaxValues) return Fail(absl::StrCat("more than ", kMaxValues, " values"));
  stack_.push_back(static_cast<Ref>(arena_.size()));
  arena_.push_back(std::move(value));
}

Ref Machine::Pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
    Fail("the stack is empty");
    return 0;
  }
  const Ref top = stack_.back();
  stack_.pop_back();
  return top;
}

Ref Machine::Top() {
  const Ref top = Pop();
  if (error_.empty()) stack_.push_back(top);
  return top;
}

std::vector<Ref> Machine::PopToMark() {
  if (marks_.empty()) {
    Fail("there is no mark");
    return {};
  }
  std::vector<Ref> items(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

void Machine::PushTuple(size_t count) {
  Tuple tuple{std::vector<Ref>(count)};
  for (size_t i = count; i-- > 0;) tuple.items[i] = Pop();
  Push(std::move(tuple));
}

void Machine::SetItems(const std::vector<Ref>& items) {
  Dict* dict = As<Dict>(Top());
  if (dict == nullptr || items.size() % 2 != 0) return Fail("only a dict takes items, in pairs");
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    dict->items.emplace_back(items[i], items[i + 1]);
  }
}

void Machine::Append() {
  if (As<List>(Top()) == nullptr) Fail("only a list can be appended to");
}

void Machine::Put(uint32_t slot) { memo_[slot] = Top(); }

void Machine::Get(uint32_t slot) {
  const auto found = memo_.find(slot);
  if (found == memo_.end()) return Fail(absl::StrCat("memo ", slot, " is empty"));
  stack_.push_back(found->second);
}

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

}  // namespace shoal::checkpoint::pickle
