#include "tests/common/transport/sample_messages.h"

#include <numeric>

namespace shoal::transport {
namespace {

namespace v1 = pipeline::v1;

Message Blank() {
  Message message;
  message.envelope.set_version(kProtocolVersion);
  message.envelope.set_incarnation(1);
  message.envelope.set_to_incarnation(2);
  message.envelope.set_peering(1);
  message.envelope.set_peering_seen(1);
  return message;
}

void Name(v1::StreamId* stream) {
  stream->set_high(0x0123456789abcdef);
  stream->set_low(0xfedcba9876543210);
}

void Introduce(v1::Hello* hello) {
  hello->set_stage(v1::ENGINE);
  hello->set_inbox("tcp://127.0.0.1:9001");
  hello->mutable_fingerprint()->set_codec("0123");
  hello->mutable_limits()->set_num_codebooks(4);
  hello->mutable_capacity()->set_streams(8);
  hello->set_link(3);
}

std::vector<int32_t> Counting(size_t n) {
  std::vector<int32_t> values(n);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

}  // namespace

Message SampleHello() {
  Message message = Blank();
  Introduce(message.envelope.mutable_hello());
  message.envelope.clear_to_incarnation();
  message.envelope.clear_peering();
  message.envelope.clear_peering_seen();
  return message;
}

Message SampleHelloAck() {
  Message message = Blank();
  v1::HelloAck* ack = message.envelope.mutable_hello_ack();
  Introduce(ack->mutable_self());
  ack->set_to_incarnation(2);
  ack->set_link(5);
  return message;
}

Message SampleGenerate(uint32_t num_codebooks, uint32_t length) {
  Message message = Blank();
  v1::Submit* submit = message.envelope.mutable_submit();
  Name(submit->mutable_stream());
  submit->set_priority(v1::PLAYBACK);
  v1::Generate* generate = submit->mutable_generate();
  AttachInt32(message, generate->mutable_token_ids(), Counting(length), {length});
  AttachInt32(message, generate->mutable_codes(), Counting(num_codebooks * length),
              {num_codebooks, length});
  generate->set_prompt_length(length);
  generate->set_frame_ms(40);
  generate->mutable_vocoder()->set_inbox("tcp://127.0.0.1:9002");
  generate->mutable_vocoder()->set_incarnation(3);
  v1::Sampling* sampling = generate->mutable_sampling();
  sampling->set_temperature(0.8f);
  sampling->set_top_p(0.9f);
  sampling->set_top_k(30);
  sampling->set_repetition_penalty(1.1f);
  sampling->set_max_frames(100);
  sampling->mutable_ras()->set_rule(v1::Ras::WINDOW);
  return message;
}

Message SampleDecode(uint32_t n, uint32_t num_codebooks) {
  Message message = Blank();
  v1::Submit* submit = message.envelope.mutable_submit();
  Name(submit->mutable_stream());
  submit->set_priority(v1::WHOLE_FILE);
  v1::Replay* replay = submit->mutable_decode()->mutable_replay();
  replay->set_turn(1);
  replay->set_frame(1);
  replay->set_position(n);
  AttachInt32(message, replay->mutable_codes(), Counting(n * num_codebooks), {n, num_codebooks});
  return message;
}

Message SampleFrame(uint32_t n, uint32_t num_codebooks) {
  Message message = Blank();
  v1::Frame* frame = message.envelope.mutable_frame();
  Name(frame->mutable_stream());
  frame->set_frame(17);
  AttachInt32(message, frame->mutable_codes(), Counting(n * num_codebooks), {n, num_codebooks});
  return message;
}

Message SampleAudio(uint32_t n, uint32_t num_codebooks, uint32_t frame_length) {
  Message message = Blank();
  v1::Audio* audio = message.envelope.mutable_audio();
  Name(audio->mutable_stream());
  audio->set_frame(17);
  audio->set_first_sample(17 * frame_length);
  AttachFloat32(message, audio->mutable_pcm(), std::vector<float>(n * frame_length, 0.25f),
                {n * frame_length});
  AttachInt32(message, audio->mutable_codes(), Counting(n * num_codebooks), {n, num_codebooks});
  return message;
}

Message SampleFinished() {
  Message message = Blank();
  v1::Event* event = message.envelope.mutable_event();
  Name(event->mutable_stream());
  event->mutable_finished()->set_reason(v1::STOP);
  event->mutable_finished()->set_frame_count(40);
  event->mutable_finished()->set_decode_seconds(0.5);
  return message;
}

Message SampleFailed() {
  Message message = Blank();
  v1::Event* event = message.envelope.mutable_event();
  Name(event->mutable_stream());
  event->mutable_failed()->set_code(8);
  event->mutable_failed()->set_message("no slot is free");
  return message;
}

Message SampleCancel() {
  Message message = Blank();
  Name(message.envelope.mutable_cancel()->mutable_stream());
  return message;
}

Message SampleHeartbeat() {
  Message message = Blank();
  v1::Heartbeat* heartbeat = message.envelope.mutable_heartbeat();
  heartbeat->set_step(9);
  heartbeat->set_busy(true);
  heartbeat->set_step_bound_seconds(2);
  Name(heartbeat->add_streams()->mutable_stream());
  return message;
}

Message SampleAudioCredit() {
  Message message = Blank();
  v1::AudioCredit* credit = message.envelope.mutable_audio_credit();
  Name(credit->mutable_stream());
  credit->set_frames(50);
  credit->set_buffered_ms(120);
  credit->set_next_frame(10);
  return message;
}

std::vector<Message> AllSamples() {
  return {SampleHello(),     SampleHelloAck(),     SampleGenerate(4, 9), SampleDecode(2, 4),
          SampleFrame(1, 4), SampleAudio(2, 4, 8), SampleFinished(),     SampleFailed(),
          SampleCancel(),    SampleAudioCredit(),  SampleHeartbeat()};
}

}  // namespace shoal::transport
