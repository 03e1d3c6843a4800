// Memory of activations, used again and again.
//
// A step allocates the same sizes as the step before. Given back to the system and taken again,
// large blocks would cost more in page faults than is computed with them; here they wait in lists
// by size. Memory grows to what the largest step needs at once and stays there until the pool and
// the last tensor are gone. Any thread may call.
#ifndef SHOAL_COMMON_CODEC_BUFFER_POOL_H_
#define SHOAL_COMMON_CODEC_BUFFER_POOL_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>

namespace shoal::codec {

class BufferPool {
 public:
  BufferPool();
  ~BufferPool();

  // A contiguous tensor that holds anything. It may outlive the pool but not be resized.
  at::Tensor Empty(at::IntArrayRef sizes, at::ScalarType dtype) const;

 private:
  class Blocks;
  std::shared_ptr<Blocks> blocks_;
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_BUFFER_POOL_H_
