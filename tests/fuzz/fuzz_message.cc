// Bytes from the network: decoding, checking and meeting must hold whatever they are, and what
// passes the check must be readable.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/transport/message.h"
#include "common/transport/message_check.h"
#include "common/transport/peer_table.h"

namespace shoal::transport {
namespace {

namespace v1 = pipeline::v1;

void Require(bool condition) {
  if (!condition) std::abort();
}

class NoWire final : public PeerTable::Wire {
 public:
  void Open(uint64_t, const std::string&) override {}
  void Close(uint64_t) override {}
  void Send(uint64_t, const v1::Envelope&) override {}
  void Up(const Peer&) override {}
  void Down(uint64_t, const std::string&) override {}
  void Beat(const Peer&) override {}
  void Log(const std::string&) override {}
};

// Everything a service would read of a message that has passed the check.
void ReadTensors(const Message& message) {
  const v1::Envelope& envelope = message.envelope;
  if (envelope.submit().has_generate()) {
    const v1::Generate& generate = envelope.submit().generate();
    const auto tokens = ReadInt32(message, generate.token_ids(), 1);
    const auto codes = ReadInt32(message, generate.codes(), 2);
    Require(tokens.ok() && codes.ok() && codes->size() % tokens->size() == 0);
  }
  if (envelope.frame().has_codes()) {
    const auto codes = ReadInt32(message, envelope.frame().codes(), 2);
    // An empty last frame is not looked at.
    Require(codes.ok() || (envelope.frame().last() && message.parts.empty()));
  }
  if (envelope.audio().has_pcm()) {
    Require(ReadFloat32(message, envelope.audio().pcm(), 1).ok());
    Require(ReadInt32(message, envelope.audio().codes(), 2).ok());
  }
}

// The table of a process that has dialled another one, hears this message, and lives on.
void Meet(const v1::Envelope& envelope) {
  NoWire wire;
  PeerTable::Options options;
  options.incarnation = 2;  // to whom the corpus is addressed
  options.self.set_stage(v1::VOCODER);
  options.compatible = DisagreementOf;
  PeerTable table(options, &wire);
  SteadyTime now(std::chrono::hours(1));
  table.Dial(now, "tcp://127.0.0.1:9001");
  table.LinkReady(now, 1);
  for (int i = 0; i < 3; ++i) {
    table.Receive(now, envelope);
    now += std::chrono::milliseconds(700);
    table.Tick(now);
  }
  table.LinkClosed(now, 1);
  table.Tick(now + std::chrono::seconds(10));
}

void Run(absl::string_view bytes) {
  MessageLimits limits;
  limits.max_message_bytes = 1 << 16;
  const absl::StatusOr<Message> message = Decode(bytes, limits);
  if (!message.ok()) return;
  std::string again(EncodedBytes(*message), 0);
  Encode(*message, again.data());
  const absl::StatusOr<Message> same = Decode(again, MessageLimits());
  Require(same.ok() && same->parts == message->parts);
  if (CheckMessage(*message, {.num_codebooks = 4, .frame_length = 8}).ok()) {
    Require(CheckMessage(*message, {}).ok());  // to know more can only refuse more
  }
  if (!CheckMessage(*message, {}).ok()) return;
  ReadTensors(*message);
  Meet(message->envelope);
}

}  // namespace
}  // namespace shoal::transport

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::transport::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
