# Faults that the tests of the engine's policy have to find, see cmake/Mutation.cmake.

# In the prefix cache. Any of them would let a stream hear another one's voice, or lose its KV.

set(cache LABELS engine SOURCE services/ar_engine/policy/prefix_cache.cc TEST prefix_cache_test)
set(order LABELS engine SOURCE services/ar_engine/policy/eviction_order.cc TEST prefix_property_test)

shoal_mutation_test(mutation_prefix_key_without_the_last_codebook ${cache}
  REPLACE "key_.insert(key_.end(), rows.begin(), rows.end());"
  WITH "for (size_t i = 1; i <= rows.size(); ++i) key_.push_back(i % num_codebooks_ ? rows[i - 1] : 0);")
shoal_mutation_test(mutation_prefix_key_without_codes ${cache}
  REPLACE "key_.insert(key_.end(), rows.begin(), rows.end());"
  WITH "key_.push_back(rows.empty());")
shoal_mutation_test(mutation_prefix_hashes_compared_only ${cache}
  REPLACE "nodes_[block].key != key_"
  WITH "nodes_[block].hash != hash_")
shoal_mutation_test(mutation_prefix_match_of_a_partial_block ${cache}
  REPLACE "i < limit / kBlockPositions"
  WITH "i < (limit + kBlockPositions - 1) / kBlockPositions && token_ids.size() >= (i + 1u) * kBlockPositions")
shoal_mutation_test(mutation_prefix_match_is_no_use ${cache}
  REPLACE "order_.Use(block);\n    order_.Lend(block);"
  WITH "order_.Lend(block);")
shoal_mutation_test(mutation_prefix_insert_lends_nothing LABELS engine
  SOURCE services/ar_engine/policy/prefix_cache.cc TEST prefix_property_test
  REPLACE "order_.Lend(block.id());"
  WITH "")
shoal_mutation_test(mutation_prefix_pin_of_a_partial_block ${cache}
  REPLACE "if (pinned / kBlockPositions > i)"
  WITH "if (pinned > i * kBlockPositions)")
shoal_mutation_test(mutation_prefix_shared_blocks_go ${order}
  REPLACE "pool_->references(lookout_[i]) > 1"
  WITH "pool_->references(lookout_[i]) > 2")
shoal_mutation_test(mutation_prefix_what_stands_before_shared_blocks_goes ${order}
  REPLACE "b.busy_children += change;"
  WITH "b.busy_children += 0 * change;")
shoal_mutation_test(mutation_prefix_pinned_go_first ${order}
  REPLACE "{blocks_[block].pinned, "
  WITH "{!blocks_[block].pinned, ")
shoal_mutation_test(mutation_prefix_most_recently_used_goes_first ${order}
  REPLACE "blocks_[block].used, block}"
  WITH "~blocks_[block].used, block}")
shoal_mutation_test(mutation_prefix_pins_without_bound ${order}
  REPLACE "pinned_ > max_pinned_"
  WITH "pinned_ > max_pinned_ + 1")

# In the sampler: what it draws would still sound like speech, but not like this model's.

set(draws LABELS engine SOURCE services/ar_engine/policy/sampler.cc TEST sampler_statistics_test)
set(keys LABELS engine SOURCE services/ar_engine/policy/sampler.cc TEST sampler_independence_test)

shoal_mutation_test(mutation_sampler_race_without_logarithm ${draws}
  REPLACE "weight / -std::log(u)"
  WITH "weight / (1.0 - u)")
shoal_mutation_test(mutation_sampler_one_order_of_filters ${draws}
  REPLACE "top_k_on && setting.order == FilterOrder::kFullSoftmax"
  WITH "top_k_on && setting.order == FilterOrder::kFullSoftmax && setting.top_k < 0")
shoal_mutation_test(mutation_sampler_top_p_keeps_one_more ${draws}
  REPLACE "cumulative += std::exp(end->logit - highest);\n    if (cumulative / sum > top_p && end != candidates.begin()) break;"
  WITH "if (cumulative / sum > top_p && end != candidates.begin()) break;\n    cumulative += std::exp(end->logit - highest);")
shoal_mutation_test(mutation_sampler_second_draw_repeats_the_first ${keys}
  REPLACE "draw.index = DrawAt(row, HotSetting(params), key, 1);"
  WITH "draw.index = DrawAt(row, HotSetting(params), key, 0);")
shoal_mutation_test(mutation_sampler_second_draw_at_the_normal_setting ${draws}
  REPLACE "draw.index = DrawAt(row, HotSetting(params), key, 1);"
  WITH "draw.index = DrawAt(row, NormalSetting(params), key, 1);")
shoal_mutation_test(mutation_sampler_codebooks_share_numbers ${keys}
  REPLACE "2 * key.codebook + draw_number"
  WITH "2 * (key.codebook / 2) + draw_number")
shoal_mutation_test(mutation_sampler_window_rule_spares_residuals ${draws}
  REPLACE "return DrawAt(row, hot ? HotSetting(params)"
  WITH "return DrawAt(row, hot ? NormalSetting(params)")

# In what the engine does with blocks and steps.

set(lives LABELS engine TEST engine_property_test)

shoal_mutation_test(mutation_engine_remembers_what_is_not_written ${lives}
  SOURCE services/ar_engine/policy/kv_memory.cc
  REPLACE "const size_t positions = sequence.kv_length();"
  WITH "const size_t positions = sequence.length();")
shoal_mutation_test(mutation_engine_remembers_what_a_failed_step_wrote LABELS engine
  SOURCE services/ar_engine/policy/sequence.cc TEST failed_step_test
  REPLACE "kv_usable_ = kv_usable_ && usable;"
  WITH "kv_usable_ = kv_usable_ || usable;")
shoal_mutation_test(mutation_engine_frees_blocks_that_a_step_names ${lives}
  SOURCE services/ar_engine/policy/kv_memory.cc
  REPLACE "  std::erase(giving_up_, sequence.get());\n  if (sequence->in_flight() == 0)"
  WITH "  std::erase(giving_up_, sequence.get());\n  Release(*sequence);\n  if (sequence->in_flight() == 0)")
shoal_mutation_test(mutation_engine_takes_back_blocks_that_a_step_names ${lives}
  SOURCE services/ar_engine/policy/kv_memory.cc
  REPLACE "  ++taken_back_;\n  if (sequence->in_flight() == 0) return Release(*sequence);"
  WITH "  ++taken_back_;\n  Release(*sequence);\n  if (sequence->in_flight() == 0) return;")
shoal_mutation_test(mutation_engine_keeps_the_blocks_of_the_ended ${lives}
  SOURCE services/ar_engine/policy/kv_memory.cc
  REPLACE "  std::erase_if(retired_, [this](const std::unique_ptr<Sequence>& sequence) {\n    if (sequence->in_flight() > 0) return false;"
  WITH "  std::erase_if(retired_, [this](const std::unique_ptr<Sequence>& sequence) {\n    if (sequence->in_flight() >= 0) return false;")
shoal_mutation_test(mutation_engine_draws_beyond_the_credit ${lives}
  SOURCE services/ar_engine/policy/sequence.cc
  REPLACE "static_cast<int>(frames()) + pending_draws_ >= credit_frames_"
  WITH "static_cast<int>(frames()) + pending_draws_ > credit_frames_")
shoal_mutation_test(mutation_engine_draws_ahead_without_the_last_code ${lives}
  SOURCE services/ar_engine/policy/model_executor.cc
  REPLACE "  history.push_back(drawn_codes[0]);\n"
  WITH "")
shoal_mutation_test(mutation_engine_resumes_with_fewer_positions ${lives}
  SOURCE services/ar_engine/policy/sequence.cc
  REPLACE "static_cast<int>(cached.size()) * FrameModel::kBlockPositions"
  WITH "(static_cast<int>(cached.size()) - !cached.empty()) * FrameModel::kBlockPositions")
shoal_mutation_test(mutation_engine_emits_for_the_ended ${lives}
  SOURCE services/ar_engine/policy/engine.cc
  REPLACE "removed->has_ended = true;\n  if (end.failure.ok())"
  WITH "removed->has_ended = true;\n  sink_->OnFinished(*removed, FinishReason::kCancelled);\n  if (end.failure.ok())")
shoal_mutation_test(mutation_engine_does_not_stop_a_runaway LABELS engine TEST engine_property_test
  SOURCE services/ar_engine/policy/sequence.cc
  REPLACE "std::max(runaway, static_cast<int>(frames()) + 1)"
  WITH "std::max(runaway + 1, static_cast<int>(frames()) + 1)")
shoal_mutation_test(mutation_scheduler_begins_past_one_who_could_not LABELS engine
  SOURCE services/ar_engine/policy/scheduler.cc TEST scheduler_test
  REPLACE "begins_wait = begins_wait || begins;"
  WITH "begins_wait = begins_wait && begins;")
shoal_mutation_test(mutation_scheduler_silence_without_end LABELS engine
  SOURCE services/ar_engine/policy/precedence.cc TEST scheduler_test
  REPLACE "sequence.frames() > 0 && standing.urgency > -hurry_.silence"
  WITH "sequence.frames() > 0")
shoal_mutation_test(mutation_scheduler_first_audio_waits_for_frames LABELS engine
  SOURCE services/ar_engine/policy/precedence.cc TEST scheduler_test
  REPLACE "std::max(hurry_.near_empty, standing.urgency)"
  WITH "std::min(-hurry_.near_empty, standing.urgency)")
shoal_mutation_test(mutation_scheduler_steps_grow_for_all LABELS engine
  SOURCE services/ar_engine/policy/scheduler.cc TEST scheduler_test
  REPLACE "near_empty ? most_near_empty : most)"
  WITH "near_empty ? most_near_empty : std::max(most, most_near_empty))")
shoal_mutation_test(mutation_queue_without_a_share_for_newcomers LABELS engine
  SOURCE services/ar_engine/policy/admission_queue.cc TEST admission_queue_test
  REPLACE "before_newcomers_ = newcomer ? before_newcomers_ + 1 : 0;"
  WITH "before_newcomers_ = 0;")
shoal_mutation_test(mutation_queue_newcomers_first LABELS engine
  SOURCE services/ar_engine/policy/admission_queue.cc TEST scheduler_test
  REPLACE "(!continuing || before_newcomers_ >= kNewcomerShare - 1)"
  WITH "(true || before_newcomers_ >= kNewcomerShare - 1)")
shoal_mutation_test(mutation_scheduler_fullest_listener_first LABELS engine
  SOURCE services/ar_engine/policy/precedence.cc TEST scheduler_test
  REPLACE "std::tie(a.urgency, a.arrival) < std::tie(b.urgency, b.arrival)"
  WITH "std::tie(a.urgency, a.arrival) > std::tie(b.urgency, b.arrival)")
shoal_mutation_test(mutation_scheduler_takes_blocks_from_playback_first LABELS engine
  SOURCE services/ar_engine/policy/precedence.cc TEST scheduler_test
  REPLACE "std::tie(a.kind, a.left, a.arrival) > std::tie(b.kind, b.left, b.arrival)"
  WITH "std::tie(a.kind, a.left, a.arrival) < std::tie(b.kind, b.left, b.arrival)")
shoal_mutation_test(mutation_scheduler_waits_for_the_paused LABELS engine
  SOURCE services/ar_engine/policy/scheduler.cc TEST scheduler_test
  REPLACE "if (sequence->paused()) continue;\n    const bool plays"
  WITH "const bool plays")

# The machinery itself: what is no fault found does not pass for one.
add_test(NAME mutation_a_passing_test_is_no_catch
  COMMAND ${CMAKE_SOURCE_DIR}/cmake/expect_caught $<TARGET_FILE:prefix_cache_test>)
add_test(NAME mutation_a_crash_is_no_catch
  COMMAND ${CMAKE_SOURCE_DIR}/cmake/expect_caught sh -c "echo 1 FAILED TEST; kill -ABRT $$")
add_test(NAME mutation_an_early_end_is_no_catch
  COMMAND ${CMAKE_SOURCE_DIR}/cmake/expect_caught sh -c "echo 1 FAILED TEST and more; exit 1")
set(text ${CMAKE_CURRENT_BINARY_DIR}/mutations/text)
file(CONFIGURE OUTPUT ${text}/absent.txt CONTENT "stands nowhere" @ONLY)
file(CONFIGURE OUTPUT ${text}/twice.txt CONTENT "namespace" @ONLY)
foreach(text_is absent twice)
  add_test(NAME mutation_of_text_that_is_${text_is}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR}/services/ar_engine/policy/prefix_cache.cc
            -DREPLACE=${text}/${text_is}.txt -DWITH=${text}/absent.txt
            -DOUTPUT=${text}/mutated.cc -P ${CMAKE_SOURCE_DIR}/cmake/mutate_source.cmake)
endforeach()
set_tests_properties(mutation_a_passing_test_is_no_catch mutation_a_crash_is_no_catch
  mutation_an_early_end_is_no_catch PROPERTIES
  LABELS "engine;mutation" PASS_REGULAR_EXPRESSION "the fault was not found by an assertion")
set_tests_properties(mutation_of_text_that_is_absent mutation_of_text_that_is_twice PROPERTIES
  LABELS "engine;mutation" PASS_REGULAR_EXPRESSION "text[ \n]+to[ \n]+replace")
