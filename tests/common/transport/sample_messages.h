// Messages that CheckMessage passes, one of each kind that carries something.
#ifndef SHOAL_TESTS_COMMON_TRANSPORT_SAMPLE_MESSAGES_H_
#define SHOAL_TESTS_COMMON_TRANSPORT_SAMPLE_MESSAGES_H_

#include <cstdint>
#include <vector>

#include "common/transport/message.h"

namespace shoal::transport {

// Their envelopes have version, incarnation 1, to_incarnation 2 and peerings set.
Message SampleHello();
Message SampleHelloAck();
Message SampleGenerate(uint32_t num_codebooks, uint32_t length);
Message SampleDecode(uint32_t n, uint32_t num_codebooks);  // with a replay
Message SampleFrame(uint32_t n, uint32_t num_codebooks);
Message SampleAudio(uint32_t n, uint32_t num_codebooks, uint32_t frame_length);
Message SampleFinished();
Message SampleFailed();
Message SampleCancel();
Message SampleAudioCredit();
Message SampleHeartbeat();

std::vector<Message> AllSamples();

}  // namespace shoal::transport

#endif  // SHOAL_TESTS_COMMON_TRANSPORT_SAMPLE_MESSAGES_H_
