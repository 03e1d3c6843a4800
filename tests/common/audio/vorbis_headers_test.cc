#include "common/audio/vorbis_headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace shoal::audio {
namespace {

using ::testing::HasSubstr;

// The least significant bit of each byte first, as Vorbis has it.
class BitWriter {
 public:
  explicit BitWriter(std::string bytes) : bytes_(std::move(bytes)), used_(bytes_.size() * 8) {}

  BitWriter& Write(int bits, uint64_t value) {
    for (int i = 0; i < bits; ++i, ++used_) {
      if (used_ % 8 == 0) bytes_.push_back('\0');
      bytes_.back() = static_cast<char>(bytes_.back() | (value >> i & 1) << (used_ % 8));
    }
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  size_t used_;
};

std::string Identification(uint32_t version = 0, uint32_t channels = 1, uint32_t rate = 24000,
                           uint32_t blocks = 0xb8) {
  BitWriter bits("\x01vorbis");
  bits.Write(32, version).Write(8, channels).Write(32, rate);
  bits.Write(32, 0).Write(32, 0).Write(32, 0).Write(8, blocks).Write(1, 1);
  return bits.bytes();
}

// Codebooks whose entries all have codewords of `length` bits, told in a few bytes each.
std::string Codebooks(int count, uint32_t entries, int length) {
  BitWriter bits("\x05vorbis");
  bits.Write(8, static_cast<uint64_t>(count) - 1);
  for (int i = 0; i < count; ++i) {
    bits.Write(24, 0x564342).Write(16, 1).Write(24, entries).Write(1, 1);  // ordered
    bits.Write(5, static_cast<uint64_t>(length) - 1);
    int width = 0;
    while (entries >> width != 0) ++width;
    bits.Write(width, entries).Write(4, 0);
  }
  return bits.bytes();
}

std::string ErrorOf(std::vector<std::string> packets) {
  const absl::Status status = CheckVorbisHeaders(packets);
  if (status.ok()) return "no error";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

const std::string kComments("\x03vorbis\0\0\0\0\0\0\0\0\1", 16);

TEST(VorbisHeaders, SmallCodebooksPass) {
  EXPECT_EQ(ErrorOf({Identification(), kComments, Codebooks(3, 1024, 10)}), "no error");
}

// 40 bytes that would make libvorbis allocate gigabytes.
TEST(VorbisHeaders, ABombOfCodebooksIsRefused) {
  EXPECT_THAT(ErrorOf({Identification(), kComments, Codebooks(1, 1 << 22, 22)}),
              HasSubstr("more than 65536 entries"));
  EXPECT_THAT(ErrorOf({Identification(), kComments, Codebooks(256, 1024, 10)}),
              HasSubstr("more than 65536 entries"));
}

TEST(VorbisHeaders, AllThreeMustBeThereInOrder) {
  const std::string id = Identification(), books = Codebooks(1, 16, 4);
  EXPECT_THAT(ErrorOf({id, kComments}), HasSubstr("there must be three"));
  EXPECT_THAT(ErrorOf({}), HasSubstr("there must be three"));
  EXPECT_THAT(ErrorOf({id, books, kComments}), HasSubstr("identification, comments and codebooks"));
}

TEST(VorbisHeaders, TheFirstMustBePossible) {
  const std::string books = Codebooks(1, 16, 4);
  for (const std::string& id :
       {Identification(1), Identification(0, 0), Identification(0, 1, 0),
        Identification(0, 1, 0x80000000), Identification(0, 1, 24000, 0x8b),
        Identification(0, 1, 24000, 0xe8), Identification(0, 1, 24000, 0xb5)}) {
    EXPECT_THAT(ErrorOf({id, kComments, books}), HasSubstr("impossible values"));
  }
  EXPECT_THAT(ErrorOf({Identification().substr(0, 29), kComments, books}), HasSubstr("too short"));
}

TEST(VorbisHeaders, ACodebookThatEndsEarlyIsRefused) {
  const std::string books = Codebooks(2, 1024, 10);
  for (size_t size = 7; size + 1 < books.size(); ++size) {
    EXPECT_THAT(ErrorOf({Identification(), kComments, books.substr(0, size)}), HasSubstr("damaged"))
        << size;
  }
}

TEST(VorbisHeaders, OrderedLengthsMustAddUp) {
  BitWriter bits("\x05vorbis");
  bits.Write(8, 0).Write(24, 0x564342).Write(16, 1).Write(24, 4).Write(1, 1).Write(5, 0);
  bits.Write(3, 7);  // seven of four
  EXPECT_THAT(ErrorOf({Identification(), kComments, bits.bytes() + std::string(99, '\0')}),
              HasSubstr("impossible"));
  // None of any length: 32 times, then it is enough.
  BitWriter none("\x05vorbis");
  none.Write(8, 0).Write(24, 0x564342).Write(16, 1).Write(24, 4).Write(1, 1).Write(5, 0);
  EXPECT_THAT(ErrorOf({Identification(), kComments, none.bytes() + std::string(99, '\0')}),
              HasSubstr("impossible"));
}

}  // namespace
}  // namespace shoal::audio
