#include "common/transport/message.h"

#include <cstring>
#include <initializer_list>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/transport/sample_messages.h"

namespace shoal::transport {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace v1 = pipeline::v1;

std::string Encoded(const Message& message) {
  std::string bytes(EncodedBytes(message), 0);
  Encode(message, bytes.data());
  return bytes;
}

std::string Words(std::initializer_list<uint32_t> words, const std::string& rest = "") {
  std::string bytes(words.size() * 4, 0);
  std::memcpy(bytes.data(), words.begin(), bytes.size());
  return bytes + rest;
}

TEST(MessageTest, TensorsComeBackBitForBit) {
  Message message;
  v1::Audio* audio = message.envelope.mutable_audio();
  const std::vector<float> pcm = {0.f, -0.f, 1e-40f, std::numeric_limits<float>::infinity(), -1.f};
  const std::vector<int32_t> codes = {
      0, -1, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(), 7, 8};
  AttachFloat32(message, audio->mutable_pcm(), pcm, {5});
  AttachInt32(message, audio->mutable_codes(), codes, {2, 3});
  message.envelope.set_version(kProtocolVersion);
  const Message decoded = Decode(Encoded(message), {}).value();
  EXPECT_EQ(ReadInt32(decoded, decoded.envelope.audio().codes(), 2).value(), codes);
  const std::vector<float> read = ReadFloat32(decoded, decoded.envelope.audio().pcm(), 1).value();
  ASSERT_EQ(read.size(), pcm.size());
  EXPECT_EQ(std::memcmp(read.data(), pcm.data(), pcm.size() * 4), 0);
  EXPECT_THAT(decoded.envelope.audio().codes().shape(), ElementsAre(2u, 3u));
}

TEST(MessageTest, EmptyTensorsOfAnyOrderOfSizes) {
  for (const auto& shape : {std::vector<uint32_t>{0, 10}, std::vector<uint32_t>{10, 0},
                            std::vector<uint32_t>{4000000000u, 0}}) {
    Message message;
    v1::Tensor* tensor = message.envelope.mutable_frame()->mutable_codes();
    AttachInt32(message, tensor, {}, shape);
    EXPECT_THAT(ReadInt32(message, *tensor, 2).value(), IsEmpty());
  }
}

TEST(MessageTest, ReadRefusesWhatDoesNotFit) {
  Message message;
  v1::Tensor* tensor = message.envelope.mutable_frame()->mutable_codes();
  AttachInt32(message, tensor, {1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_TRUE(ReadInt32(message, *tensor, 2).ok());
  EXPECT_FALSE(ReadInt32(message, *tensor, 1).ok());
  EXPECT_FALSE(ReadInt32(message, *tensor, -1).ok());
  EXPECT_FALSE(ReadFloat32(message, *tensor, 2).ok());
  const v1::Tensor good = *tensor;

  // Products that are 6 * 4 only after some power of two has wrapped away.
  const std::vector<std::vector<uint32_t>> shapes = {
      {2, 4},
      {6, 0},
      {0, 6},
      {0x80000003u, 2},
      {0xffffffffu, 0xffffffffu},
      {0x80000000u, 0x80000000u},
      {0x80000000u, 0x80000000u, 4, 6},
      {0x80000000u, 0x80000000u, 0x80000000u, 0x80000000u},
      {0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu},
      {1, 1, 1, 1, 6}};
  for (const auto& shape : shapes) {
    *tensor = good;
    tensor->clear_shape();
    for (const uint32_t size : shape) tensor->add_shape(size);
    EXPECT_FALSE(ReadInt32(message, *tensor, static_cast<int>(shape.size())).ok());
  }
  *tensor = good;
  tensor->set_part(1);
  EXPECT_FALSE(ReadInt32(message, *tensor, 2).ok());
  tensor->set_part(0xffffffffu);
  EXPECT_FALSE(ReadInt32(message, *tensor, 2).ok());
  tensor->mutable_slab()->set_bytes(24);
  EXPECT_FALSE(ReadInt32(message, *tensor, 2).ok());
  tensor->clear_place();
  EXPECT_FALSE(ReadInt32(message, *tensor, 2).ok());
  *tensor = good;
  tensor->set_dtype(static_cast<v1::DType>(77));
  EXPECT_FALSE(ReadInt32(message, *tensor, 2).ok());
  *tensor = good;
  message.parts[0].pop_back();
  EXPECT_FALSE(ReadInt32(message, *tensor, 2).ok());
}

TEST(MessageTest, LimitsHoldBothWaysAndNameThemselves) {
  const Message message = SampleGenerate(4, 9);
  ASSERT_TRUE(CheckLimits(message, {}).ok());
  const std::string bytes = Encoded(message);
  const struct {
    MessageLimits limits;
    const char* named;
  } cases[] = {
      {{.max_parts = 1}, "parts"},
      {{.max_envelope_bytes = 20}, "bytes of the envelope: "},
      {{.max_message_bytes = bytes.size() - 1}, "bytes of the message: "},
  };
  for (const auto& c : cases) {
    const absl::Status sending = CheckLimits(message, c.limits);
    EXPECT_EQ(sending.code(), absl::StatusCode::kOutOfRange);
    EXPECT_THAT(std::string(sending.message()), HasSubstr(c.named));
    EXPECT_EQ(Decode(bytes, c.limits).status().code(), absl::StatusCode::kOutOfRange);
  }
  EXPECT_TRUE(CheckLimits(message, {.max_message_bytes = bytes.size()}).ok());
}

TEST(MessageTest, OtherVersionsAreRefused) {
  for (const uint32_t version : {0u, 2u, 0xffffffffu}) {
    Message message = SampleCancel();
    message.envelope.set_version(version);
    EXPECT_EQ(Decode(Encoded(message), {}).status().code(), absl::StatusCode::kUnimplemented);
  }
}

TEST(MessageTest, EverySampleComesBack) {
  for (const Message& message : AllSamples()) {
    const Message decoded = Decode(Encoded(message), {}).value();
    EXPECT_EQ(decoded.envelope.SerializeAsString(), message.envelope.SerializeAsString());
    EXPECT_EQ(decoded.parts, message.parts);
  }
}

TEST(MessageTest, SizesThatAreNotThoseOfTheBytesAreRefused) {
  const std::string good = Encoded(SampleGenerate(4, 9));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(Decode(good.substr(0, size), {}).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(Decode(good + "x", {}).ok());
  for (const std::string& bytes : {Words({2, 0, 0xffffffff, 1}), Words({1, 0, 0xffffffff}, "x"),
                                   Words({8, 0, 1u << 31, 1u << 31, 0, 0, 0, 0, 0, 0}),
                                   Words({1, 4, 0xfffffffc}), Words({8, 0})}) {
    EXPECT_EQ(Decode(bytes, {}).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(Decode(Words({0xffffffff, 0}), {}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Decode(Words({0, 0xffffffff}), {}).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(MessageTest, WhatIsNoEnvelopeIsRefused) {
  EXPECT_EQ(Decode(Words({0, 4}, "\xff\xff\xff\xff"), {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Decode(Words({0, 0}), {}).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(MessageTest, BodiesHaveNames) {
  EXPECT_EQ(BodyName(SampleCancel().envelope), "cancel");
  EXPECT_EQ(BodyName(SampleGenerate(2, 3).envelope), "submit");
  EXPECT_EQ(BodyName(v1::Envelope()), "none");
}

}  // namespace
}  // namespace shoal::transport
