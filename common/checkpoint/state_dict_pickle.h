// What a pickled state dict says about its tensors, found without executing anything.
//
// A pickle is a program for a stack machine that may call any Python function. This reader knows
// the few opcodes and the few names that torch.save writes for a dict of tensors (protocol 2) and
// refuses everything else by name, so a hostile file can at worst describe tensors, which are
// checked later. Work and memory are linear in the input; nothing recurses.
//
// Private to checkpoint; plain values, any thread.
#ifndef SHOAL_COMMON_CHECKPOINT_STATE_DICT_PICKLE_H_
#define SHOAL_COMMON_CHECKPOINT_STATE_DICT_PICKLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::checkpoint {

// A strided view of one storage record. Nothing about it has been checked against the record.
struct PickledTensor {
  std::string name;
  DType dtype;
  std::string storage;  // key of the record: "archive/data/{storage}"
  int64_t storage_elements;
  int64_t offset;               // elements
  std::vector<int64_t> shape;   // elements
  std::vector<int64_t> stride;  // elements, one per size
};

// The tensors at the top of the dict, in its order; entries that are no tensors are left out.
// INVALID_ARGUMENT names what is not allowed and its byte position.
absl::StatusOr<std::vector<PickledTensor>> ReadStateDictPickle(absl::Span<const std::byte> program);

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_STATE_DICT_PICKLE_H_
