#include "services/preprocess/reference_cache.h"

#include <sodium.h>

#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/audio/resampler.h"
#include "services/preprocess/errors.h"

namespace shoal::preprocess {
namespace {

std::string Sha256(const std::string& bytes) {
  std::string digest(crypto_hash_sha256_BYTES, '\0');
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(digest.data()),
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  return digest;
}

absl::Status QueueFull() {
  return RetryLater(absl::StatusCode::kResourceExhausted, reason::kTooManyReferences,
                    "too many recordings wait to be encoded", absl::Seconds(1));
}

}  // namespace

ReferenceCache::ReferenceCache(const Options& options, const ReferenceEncoder* encoder,
                               FrontMetrics* metrics)
    : options_(options),
      encoder_(encoder),
      metrics_(metrics),
      encoding_(options.workers, options.max_waiting),
      hashing_(1, options.max_waiting) {}

ReferenceCache::~ReferenceCache() = default;

void ReferenceCache::Get(std::string recording, Done done) {
  // The callback must survive a refused submission, so both sides of it share it.
  auto shared = std::make_shared<Done>(std::move(done));
  const bool taken = hashing_.Submit([this, recording = std::move(recording), shared]() mutable {
    Look(std::move(recording), std::move(*shared));
  });
  if (!taken) (*shared)(QueueFull());
}

void ReferenceCache::Look(std::string recording, Done done) {
  const std::string key = Sha256(recording);
  SharedReference known;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto [found, is_new] = entries_.try_emplace(key);
    Entry& entry = found->second;
    if (entry.reference != nullptr) {
      by_age_.splice(by_age_.end(), by_age_, entry.age);
      known = entry.reference;
    } else {
      entry.waiting.push_back(std::move(done));
      if (!is_new) {
        metrics_->voice_cache_hits.Increment();
        return;
      }
    }
  }
  if (known != nullptr) {
    metrics_->voice_cache_hits.Increment();
    done(std::move(known));
    return;
  }
  metrics_->voice_cache_misses.Increment();
  const bool taken = encoding_.Submit(
      [this, key, recording = std::move(recording)] { EncodeNow(key, recording); });
  if (!taken) Settle(key, QueueFull());
}

void ReferenceCache::EncodeNow(const std::string& key, const std::string& recording) {
  const auto begin = std::chrono::steady_clock::now();
  const absl::StatusOr<SharedReference> result = Encode(recording);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (result.ok()) metrics_->reference_encode_seconds.Observe(took.count());
  Settle(key, result);
}

absl::StatusOr<SharedReference> ReferenceCache::Encode(const std::string& recording) const {
  absl::StatusOr<audio::Recording> decoded = audio::DecodeRecording(recording, options_.limits);
  if (!decoded.ok()) return decoded.status();
  const absl::StatusOr<std::vector<float>> samples =
      audio::Resample(decoded->samples, decoded->sample_rate, encoder_->sample_rate());
  if (!samples.ok()) return samples.status();
  if (samples->empty()) {
    return absl::InvalidArgumentError("the recording is shorter than one sample of the codec");
  }
  auto reference = std::make_shared<EncodedReference>();
  absl::StatusOr<Codes> codes = encoder_->Encode(*samples);
  if (!codes.ok()) return codes.status();
  reference->codes = *std::move(codes);
  reference->seconds = static_cast<double>(samples->size()) / encoder_->sample_rate();
  if (decoded->level.clipped()) reference->warnings.push_back("REFERENCE_CLIPPED");
  if (decoded->level.quiet()) reference->warnings.push_back("REFERENCE_QUIET");
  return SharedReference(std::move(reference));
}

void ReferenceCache::Settle(const std::string& key, const absl::StatusOr<SharedReference>& result) {
  std::vector<Done> waiting;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = entries_.find(key);
    Entry& entry = found->second;
    waiting.swap(entry.waiting);
    if (result.ok()) {
      entry.reference = *result;
      entry.bytes = entry.reference->codes.values.size() * sizeof(int32_t) + sizeof(Entry);
      entry.age = by_age_.insert(by_age_.end(), key);
      bytes_ += entry.bytes;
      Evict();
    } else {
      entries_.erase(found);
    }
  }
  for (Done& done : waiting) done(result);
}

void ReferenceCache::Evict() {
  while (bytes_ > options_.max_bytes && !by_age_.empty()) {
    const auto oldest = entries_.find(by_age_.front());
    bytes_ -= oldest->second.bytes;
    entries_.erase(oldest);
    by_age_.pop_front();
  }
}

}  // namespace shoal::preprocess
