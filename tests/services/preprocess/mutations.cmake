# Faults that the tests of uploaded recordings have to find, see cmake/Mutation.cmake. Any of them
# would speak in a wrong voice, forget one, or take it from somebody who waits for it.

set(packing LABELS vocoder SOURCE services/preprocess/references/encoded_reference.cc
  TEST preprocess_references_test)
set(store LABELS vocoder SOURCE services/preprocess/references/reference_store.cc
  TEST preprocess_references_test)
set(cache LABELS vocoder SOURCE services/preprocess/references/reference_cache.cc
  TEST preprocess_references_test)

shoal_mutation_test(mutation_reference_checksum_not_compared ${packing}
  REPLACE "if (Checksum(name, body) != bytes.substr(0, kChecksumBytes)) return nullptr;"
  WITH "if (name.empty()) return nullptr;")
shoal_mutation_test(mutation_reference_of_any_name ${packing}
  REPLACE "Sha256(absl::StrCat(Sha256(name), Sha256(body)))"
  WITH "Sha256(absl::StrCat(Sha256(name.substr(0, 0)), Sha256(body)))")
shoal_mutation_test(mutation_reference_of_any_shape ${packing}
  REPLACE "values != frames * static_cast<uint64_t>(num_codebooks)" WITH "num_codebooks < 0")

shoal_mutation_test(mutation_reference_store_drops_the_newest ${store}
  REPLACE "ORDER BY used LIMIT 1" WITH "ORDER BY used DESC LIMIT 1")
shoal_mutation_test(mutation_reference_store_finding_is_no_use ${store}
  REPLACE "return found == nullptr ? absl::OkStatus() : RunFor(kMarkUsed, key);"
  WITH "return absl::OkStatus();")
shoal_mutation_test(mutation_reference_store_stays_with_a_moved_file ${store}
  REPLACE "if (!file_ || file_->replaced()) {" WITH "if (!file_) {")

shoal_mutation_test(mutation_reference_cache_ignores_the_encoder ${cache}
  REPLACE "encoder.identity(), audio::DecodingVersion()"
  WITH "encoder.identity().substr(0, 0), audio::DecodingVersion()")
shoal_mutation_test(mutation_reference_cache_ignores_a_lower_limit ${cache}
  REPLACE "found != nullptr && found->seconds <= options_.limits.max_seconds"
  WITH "found != nullptr")
shoal_mutation_test(mutation_reference_cache_one_goes_all_go ${cache}
  REPLACE "if (!waiters.empty()) return true;"
  WITH "if (waiters.size() > 1) return true;")
shoal_mutation_test(mutation_reference_cache_counts_those_that_went ${cache}
  REPLACE "if (queue_.size() >= options_.max_waiting) {" WITH "if (stopping_) {")
