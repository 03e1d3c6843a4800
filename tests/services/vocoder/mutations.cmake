# Faults that the vocoder's tests have to find, see cmake/Mutation.cmake.

# In who is decoded when: a listener would run dry, or be sent what it does not take.
set(schedule LABELS vocoder SOURCE services/vocoder/chunk_schedule.cc TEST chunk_schedule_test)
set(stream LABELS vocoder SOURCE services/vocoder/decode_stream.cc TEST decode_loop_test)

shoal_mutation_test(mutation_chunks_whatever_the_buffer ${schedule}
  REPLACE "while (frames > 1 && Needed(frames) >= candidate.buffered)"
  WITH "while (frames > candidate.ready)")
shoal_mutation_test(mutation_chunks_wait_for_ever ${schedule}
  REPLACE "candidate.buffered - Needed(2 * PowerOfTwo(candidate.ready))"
  WITH "candidate.buffered")
shoal_mutation_test(mutation_chunks_shut_files_out ${schedule}
  REPLACE "file != due.end() && options_.max_batch > 1"
  WITH "false && file != due.end()")
shoal_mutation_test(mutation_credit_is_not_kept ${stream}
  REPLACE "return std::min(frames_.ready(), allowed());"
  WITH "return frames_.ready();")
shoal_mutation_test(mutation_old_credit_is_news ${stream}
  REPLACE "news_.has_value() && age(news) < age(*news_)"
  WITH "false && age(news) < age(news)")
shoal_mutation_test(mutation_credit_forgets_what_is_on_its_way ${stream}
  REPLACE "news.buffered + since * limits_.frame"
  WITH "news.buffered + (since - since) * limits_.frame")

# In what a stream goes on from: it would be heard.
set(resume LABELS vocoder SOURCE services/vocoder/decode_stream.cc TEST stream_resume_test)
set(loop LABELS vocoder SOURCE services/vocoder/decode_loop.cc)

shoal_mutation_test(mutation_replay_of_one_frame_too_few ${resume}
  REPLACE "std::min<uint64_t>(position, limits_.replay_frames)"
  WITH "std::min<uint64_t>(position, limits_.replay_frames - 1)")
shoal_mutation_test(mutation_resume_loses_what_is_being_decoded ${resume}
  REPLACE "std::min(cut, SentOf(turn))"
  WITH "cut")
shoal_mutation_test(mutation_resume_beyond_memory ${resume}
  REPLACE "rolls_back && ReplayStart(target) < memory_.begin()"
  WITH "false")
shoal_mutation_test(mutation_resumed_runs_are_heard ${loop} TEST stream_resume_test
  REPLACE "place->second.epoch = ++epochs_;"
  WITH "")
shoal_mutation_test(mutation_a_slot_is_not_made_fresh ${loop} TEST decode_loop_test
  REPLACE "decoder_->Seek(entry.stream.slot(), entry.stream.state_position());"
  WITH "")

if(SHOAL_TORCH)
  set(decoder LABELS vocoder SOURCE common/codec/dac_decoder.cc TEST vocoder_codec_test)
  shoal_mutation_test(mutation_replay_at_relative_positions ${decoder}
    REPLACE "SetPosition(Streams(slab, {&slot, 1}), 0, position)"
    WITH "SetPosition(Streams(slab, {&slot, 1}), 0, position * 0)")
  shoal_mutation_test(mutation_convolutions_reach_one_frame_less ${decoder}
    REPLACE "convolution_frames_(ConvolutionFrames(config))"
    WITH "convolution_frames_(ConvolutionFrames(config) - 1)")
endif()
