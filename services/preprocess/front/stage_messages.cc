#include "services/preprocess/front/stage_messages.h"

#include <algorithm>

namespace shoal::preprocess {

transport::Message OpenDecoderMessage(const pipeline::v1::StreamId& stream,
                                      pipeline::v1::Priority priority) {
  transport::Message message;
  pipeline::v1::Submit& submit = *message.envelope.mutable_submit();
  *submit.mutable_stream() = stream;
  submit.set_priority(priority);
  submit.mutable_decode();
  return message;
}

transport::Message GenerateMessage(const TurnName& name, pipeline::v1::Priority priority,
                                   const TurnRequest& request, const TurnCredit& credit,
                                   absl::Duration wait_limit, const transport::Peer& vocoder) {
  transport::Message message;
  pipeline::v1::Submit& submit = *message.envelope.mutable_submit();
  *submit.mutable_stream() = name.stream;
  submit.set_turn(name.turn);
  submit.set_priority(priority);
  pipeline::v1::Generate& generate = *submit.mutable_generate();
  const Prompt& prompt = request.prompt;
  const auto length = static_cast<uint32_t>(prompt.length());
  transport::AttachInt32(message, generate.mutable_token_ids(), prompt.token_ids, {length});
  transport::AttachInt32(message, generate.mutable_codes(), prompt.codes,
                         {static_cast<uint32_t>(prompt.codes.size() / length), length});
  *generate.mutable_sampling() = request.sampling;
  generate.mutable_vocoder()->set_inbox(vocoder.inbox);
  generate.mutable_vocoder()->set_incarnation(vocoder.incarnation);
  generate.set_prompt_length(length);
  // The system message is what other calls share: with references it holds the voice, which is most
  // of a prompt; without, it is a block that every such call begins with.
  generate.set_pinned_length(static_cast<uint32_t>(prompt.system_length));
  const pipeline::v1::ModelLimits& codec = vocoder.hello.limits();
  generate.set_frame_ms(1000.0 * codec.frame_length() / codec.sample_rate_hz());
  generate.set_buffered_ms(1000.0 * credit.buffered_seconds);
  generate.set_credit_frames(credit.frames);
  generate.set_runaway_frames(request.runaway_frames);
  if (wait_limit != absl::InfiniteDuration()) {
    // 0 would mean any wait.
    generate.set_wait_limit_ms(std::max(1.0, absl::ToDoubleMilliseconds(wait_limit)));
  }
  return message;
}

transport::Message CreditMessage(const TurnName& name, const TurnCredit& credit) {
  transport::Message message;
  pipeline::v1::AudioCredit& body = *message.envelope.mutable_audio_credit();
  *body.mutable_stream() = name.stream;
  body.set_turn(name.turn);
  body.set_frames(credit.frames);
  body.set_buffered_ms(1000.0 * credit.buffered_seconds);
  body.set_next_frame(credit.next_frame);
  return message;
}

transport::Message CancelMessage(const TurnName& name) {
  transport::Message message;
  pipeline::v1::Cancel& cancel = *message.envelope.mutable_cancel();
  *cancel.mutable_stream() = name.stream;
  cancel.set_turn(name.turn);
  return message;
}

}  // namespace shoal::preprocess
