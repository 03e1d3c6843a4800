#include "common/checkpoint/state_dict_pickle.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/torch_file.h"

namespace shoal::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace pickle = shoal::testing::pickle;

absl::StatusOr<std::vector<PickledTensor>> Read(const std::string& program) {
  return ReadStateDictPickle(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(program.data()), program.size()));
}

std::string ErrorOf(const std::string& program) {
  const auto tensors = Read(program);
  return tensors.ok() ? "no error" : std::string(tensors.status().message());
}

std::string Weight() {
  return pickle::Tensor(pickle::Storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1});
}

TEST(StateDictPickleTest, ReadsTensors) {
  const auto tensors = Read(pickle::StateDict(
      {{"w", Weight()},
       {"b", pickle::Tensor(pickle::Storage("BFloat16Storage", "1", int64_t{1} << 40), 70000, {},
                            {})}}));
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 2u);
  const PickledTensor& w = (*tensors)[0];
  EXPECT_EQ(w.name, "w");
  EXPECT_EQ(w.dtype, DType::kF32);
  EXPECT_EQ(w.storage, "0");
  EXPECT_EQ(w.storage_elements, 6);
  EXPECT_EQ(w.offset, 0);
  EXPECT_THAT(w.shape, ElementsAre(2, 3));
  EXPECT_THAT(w.stride, ElementsAre(3, 1));
  const PickledTensor& b = (*tensors)[1];
  EXPECT_EQ(b.dtype, DType::kBF16);
  EXPECT_EQ(b.storage_elements, int64_t{1} << 40);
  EXPECT_EQ(b.offset, 70000);
  EXPECT_THAT(b.shape, IsEmpty());
}

TEST(StateDictPickleTest, KnowsTheDtypes) {
  const std::pair<const char*, DType> dtypes[] = {
      {"BoolStorage", DType::kBool}, {"ByteStorage", DType::kU8},   {"CharStorage", DType::kI8},
      {"ShortStorage", DType::kI16}, {"IntStorage", DType::kI32},   {"LongStorage", DType::kI64},
      {"HalfStorage", DType::kF16},  {"FloatStorage", DType::kF32}, {"DoubleStorage", DType::kF64},
  };
  for (const auto& [type, dtype] : dtypes) {
    const auto tensors = Read(
        pickle::StateDict({{"w", pickle::Tensor(pickle::Storage(type, "0", 1), 0, {1}, {1})}}));
    ASSERT_TRUE(tensors.ok()) << tensors.status();
    EXPECT_EQ(tensors->at(0).dtype, dtype) << type;
  }
}

TEST(StateDictPickleTest, LeavesOutWhatIsNoTensor) {
  const auto tensors = Read(pickle::StateDict({{"none", "N"},
                                               {"number", pickle::Int(-7)},
                                               {"float", std::string("G12345678")},
                                               {"list",
                                                "](K\x01K\x02"
                                                "eK\x03"
                                                "a"},
                                               {"text", pickle::Unicode("x")},
                                               {"w", Weight()}}));
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 1u);
  EXPECT_EQ((*tensors)[0].name, "w");
}

TEST(StateDictPickleTest, ADictThatHoldsItselfIsNoTrouble) {
  // d = OrderedDict(); d["d"] = d
  const std::string program = pickle::kProto2 + pickle::Global("collections", "OrderedDict") +
                              ")R" + "q\x01" + pickle::Unicode("d") + "h\x01" + "s.";
  EXPECT_THAT(*Read(program), IsEmpty());
}

struct Refused {
  const char* what;
  std::string program;
  const char* error;
};

class RefusedPickleTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedPickleTest, IsNamed) {
  EXPECT_THAT(ErrorOf(GetParam().program), HasSubstr(GetParam().error));
}

const std::string kDict = pickle::kProto2 + pickle::Global("collections", "OrderedDict") + ")R";

INSTANTIATE_TEST_SUITE_P(
    Programs, RefusedPickleTest,
    ::testing::Values(
        Refused{
            "system",
            pickle::kProto2 + pickle::Global("posix", "system") + pickle::Unicode("id") + "\x85R.",
            "global posix.system is not allowed"},
        Refused{"eval", pickle::kProto2 + pickle::Global("builtins", "eval") + ".",
                "global builtins.eval is not allowed"},
        Refused{"other_torch_function",
                pickle::kProto2 + pickle::Global("torch._utils", "_rebuild_parameter") + ".",
                "torch._utils._rebuild_parameter is not allowed"},
        Refused{"name_with_newlines_escaped", pickle::kProto2 + "cos\x01\nsys\x02tem\n.",
                "os\\001.sys\\002tem"},
        Refused{"stack_global", std::string("\x80\x02X\x02\0\0\0osX\x06\0\0\0system\x93.", 23),
                "opcode 0x93 is not allowed"},
        Refused{"inst", pickle::kProto2 + "(ios\nsystem\n.", "opcode 0x69 is not allowed"},
        Refused{"newobj", pickle::kProto2 + pickle::Global("collections", "OrderedDict") + ")\x81.",
                "opcode 0x81 is not allowed"},
        Refused{"protocol_4", "\x80\x04N.", "protocol 4"},
        Refused{"storage_called", pickle::kProto2 + pickle::Global("torch", "FloatStorage") + ")R.",
                "may be called"},
        Refused{"string_called", pickle::kProto2 + pickle::Unicode("x") + ")R.", "may be called"},
        Refused{"dict_with_arguments",
                pickle::kProto2 + pickle::Global("collections", "OrderedDict") + "N\x85R.",
                "takes no arguments"},
        Refused{"build_on_a_tensor", kDict + pickle::Unicode("w") + Weight() + "}b" + "s.",
                "BUILD is allowed on an OrderedDict alone"},
        Refused{"build_on_a_plain_dict", pickle::kProto2 + "}}b.", "BUILD"},
        Refused{"append_to_a_dict", pickle::kProto2 + "}Na.", "appended"},
        Refused{"items_for_a_list", pickle::kProto2 + "]NNs.", "only a dict takes items"},
        Refused{"odd_items", kDict + "(Nu.", "in pairs"},
        Refused{"pop_of_nothing", pickle::kProto2 + "R.", "stack is empty"},
        Refused{"pop_below_a_mark", pickle::kProto2 + "N(\x85.", "stack is empty"},
        Refused{"no_mark", pickle::kProto2 + "Nt.", "there is no mark"},
        Refused{"memo_of_nothing", pickle::kProto2 + "h\x05.", "memo 5 is empty"},
        Refused{"no_stop", kDict, "truncated"},
        Refused{"not_a_dict", pickle::kProto2 + "N.", "expected one dict"},
        Refused{"more_than_a_dict", pickle::kProto2 + "N}.", "expected one dict"},
        Refused{"huge_text",
                std::string("\x80\x02X\xff\xff\xff\xff"
                            "abc",
                            10),
                "truncated"},
        Refused{"huge_integer",
                std::string("\x80\x02\x8a\x09"
                            "123456789.",
                            14),
                "64 bits"},
        Refused{"persistent_id_of_another_kind",
                pickle::kProto2 + pickle::Unicode("module") + "\x85Q.", "persistent id"},
        Refused{"persistent_id_without_type",
                pickle::kProto2 + "(" + pickle::Unicode("storage") + "N" + pickle::Unicode("0") +
                    pickle::Unicode("cpu") + pickle::Int(1) + "tQ.",
                "persistent id"},
        Refused{"tensor_without_storage",
                kDict + pickle::Unicode("w") + pickle::Tensor("N", 0, {1}, {1}) + "s.",
                "takes a storage"},
        Refused{"tensor_of_high_rank",
                kDict + pickle::Unicode("w") +
                    pickle::Tensor(pickle::Storage("FloatStorage", "0", 1), 0,
                                   std::vector<int64_t>(17, 1), std::vector<int64_t>(17, 1)) +
                    "s.",
                "takes a storage"},
        Refused{"same_name_twice", pickle::StateDict({{"w", Weight()}, {"w", Weight()}}),
                "tensor \"w\" is there twice"}),
    [](const auto& info) { return info.param.what; });

TEST(StateDictPickleTest, EveryTruncationIsRefused) {
  const std::string whole = pickle::StateDict({{"w", Weight()}});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(ErrorOf(whole.substr(0, size)), "no error") << size << " bytes";
  }
}

TEST(StateDictPickleTest, BoundsWhatAProgramMayMake) {
  EXPECT_THAT(ErrorOf(pickle::kProto2 + std::string((1 << 20) + 1, 'N') + "."),
              HasSubstr("more than 1048576 values"));
  EXPECT_THAT(ErrorOf(std::string((16 << 20) + 1, 'N')), HasSubstr("at most 16777216"));
}

}  // namespace
}  // namespace shoal::checkpoint
