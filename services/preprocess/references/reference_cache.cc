#include "services/preprocess/references/reference_cache.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/audio/resampler.h"
#include "common/service/log.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kProgressEvery = std::chrono::seconds(5);  // a line in the log

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

absl::Status QueueFull() {
  return RetryLater(absl::StatusCode::kResourceExhausted, reason::kTooManyReferences,
                    "too many recordings wait to be encoded", absl::Seconds(1));
}

// Everything that codes follow from but the recording itself.
std::string IdentityOf(const ReferenceEncoder& encoder) {
  return Sha256(absl::StrCat(encoder.identity(), audio::DecodingVersion()));
}

// Shows how far one encoding is: in the gauge, and in the log where it takes long.
class Progress {
 public:
  Progress(ReferenceMetrics* metrics, double seconds) : metrics_(metrics), seconds_(seconds) {
    metrics_->audio_left.Increment(seconds_);
  }
  ~Progress() { metrics_->audio_left.Decrement((1 - done_) * seconds_); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Update(double done) {
    metrics_->audio_left.Decrement((done - done_) * seconds_);
    done_ = done;
    if (done_ == 1 || Clock::now() < next_line_) return;
    next_line_ = Clock::now() + kProgressEvery;
    service::LogLine("reference_progress")
        .Add("audio_seconds", seconds_)
        .Add("encoded_seconds", done_ * seconds_)
        .Write();
  }

 private:
  ReferenceMetrics* metrics_;
  double seconds_;
  double done_ = 0;
  Clock::time_point next_line_ = Clock::now() + kProgressEvery;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ReferenceCache>> ReferenceCache::Create(
    const Options& options, const ReferenceEncoder* encoder, service::Metrics* metrics) {
  std::unique_ptr<ReferenceCache> cache(new ReferenceCache(options, encoder, metrics));
  if (options.folder.empty()) return cache;
  absl::StatusOr<std::unique_ptr<ReferenceStore>> store =
      ReferenceStore::Open({.folder = options.folder,
                            .max_bytes = options.max_disk_bytes,
                            .encoder = IdentityOf(*encoder),
                            .num_codebooks = encoder->num_codebooks()},
                           &cache->metrics_);
  if (!store.ok()) return store.status();
  cache->store_ = *std::move(store);
  return cache;
}

ReferenceCache::ReferenceCache(const Options& options, const ReferenceEncoder* encoder,
                               service::Metrics* metrics)
    : options_(options),
      encoder_(encoder),
      metrics_(metrics),
      // A task empties the queue, so no more of them need to wait than there are threads.
      encoding_(options.workers, static_cast<size_t>(options.workers)),
      hashing_(1, options.max_waiting) {}

ReferenceCache::~ReferenceCache() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  if (store_ != nullptr) store_->Touch(TakeUsed());
}

ReferenceCache::Ticket ReferenceCache::Get(std::string recording, Done done) {
  auto ticket = std::make_shared<char>();
  // The callback must survive a refused submission, so both sides of it share it.
  auto waiter = std::make_shared<Waiter>(Waiter{ticket, std::move(done)});
  const bool taken = hashing_.Submit([this, recording = std::move(recording), waiter]() mutable {
    Look(std::move(recording), std::move(*waiter));
  });
  if (!taken) waiter->done(QueueFull());
  return ticket;
}

void ReferenceCache::Look(std::string recording, Waiter waiter) {
  if (waiter.ticket.expired()) return;
  const std::string key = Sha256(recording);
  SharedReference known;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (const auto kept = kept_.find(key); kept != kept_.end()) {
      by_age_.splice(by_age_.end(), by_age_, kept->second.age);
      if (store_ != nullptr) used_.insert(key);
      known = kept->second.reference;
    } else {
      const auto [job, is_new] = jobs_.try_emplace(key);
      job->second.waiters.push_back(std::move(waiter));
      if (!is_new) {
        metrics_.in_flight_hits.Increment();
        return;
      }
      job->second.recording = std::move(recording);
    }
  }
  if (known != nullptr) {
    metrics_.memory_hits.Increment();
    waiter.done(std::move(known));
    return;
  }
  // The limit may have become a lower one since: then the recording is refused as if it were new.
  SharedReference found = store_ == nullptr ? nullptr : store_->Find(key);
  if (found != nullptr && found->seconds <= options_.limits.max_seconds) {
    metrics_.disk_hits.Increment();
    Settle(key, std::move(found));
    return;
  }
  metrics_.misses.Increment();
  Enqueue(key);
}

void ReferenceCache::Enqueue(const std::string& key) {
  bool full = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.size() >= options_.max_waiting) {
      const auto given_up = [this](const std::string& queued) { return !WantedLocked(queued); };
      queue_.erase(std::remove_if(queue_.begin(), queue_.end(), given_up), queue_.end());
    }
    full = queue_.size() >= options_.max_waiting;
    if (!full) queue_.push_back(key);
    metrics_.waiting.Set(static_cast<double>(queue_.size()));
  }
  if (full) return Settle(key, QueueFull());
  // Refused only where a task waits that will find this recording, too.
  static_cast<void>(encoding_.Submit([this] { EncodeQueued(); }));
}

void ReferenceCache::EncodeQueued() {
  for (;;) {
    std::string key, recording;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_ || queue_.empty()) return;
      key = std::move(queue_.front());
      queue_.pop_front();
      metrics_.waiting.Set(static_cast<double>(queue_.size()));
      if (!WantedLocked(key)) continue;
      recording = std::move(jobs_[key].recording);
    }
    EncodeNow(key, recording);
  }
}

void ReferenceCache::EncodeNow(const std::string& key, const std::string& recording) {
  const Clock::time_point begin = Clock::now();
  metrics_.encoding.Increment();
  const absl::StatusOr<SharedReference> result = Encode(key, recording);
  metrics_.encoding.Decrement();
  const double took = SecondsSince(begin);
  service::LogLine line("reference");
  line.Add("bytes", recording.size()).Add("seconds", took);
  if (absl::IsCancelled(result.status())) {
    // The job is gone; one under its name now is another.
    line.Add("outcome", "stopped").Write();
    return;
  }
  if (result.ok()) {
    metrics_.encode_seconds.Observe(took);
    line.Add("audio_seconds", (*result)->seconds).Add("frames", (*result)->codes.frames);
  }
  const bool refused = absl::IsInvalidArgument(result.status());
  line.Add("outcome", result.ok() ? "encoded" : refused ? "refused" : "failed").Write();
  Settle(key, result);
  if (result.ok() && store_ != nullptr) store_->Keep(key, **result, TakeUsed());
}

absl::StatusOr<SharedReference> ReferenceCache::Encode(const std::string& key,
                                                       const std::string& recording) {
  absl::StatusOr<audio::Recording> decoded = audio::DecodeRecording(recording, options_.limits);
  if (!decoded.ok()) return decoded.status();
  if (!Wanted(key)) return absl::CancelledError("nobody waits for the recording");
  const absl::StatusOr<std::vector<float>> samples =
      audio::Resample(decoded->samples, decoded->sample_rate, encoder_->sample_rate());
  if (!samples.ok()) return samples.status();
  if (samples->empty()) {
    return absl::InvalidArgumentError("the recording is shorter than one sample of the codec");
  }
  auto reference = std::make_shared<EncodedReference>();
  reference->seconds = static_cast<double>(decoded->samples.size()) / decoded->sample_rate;
  if (decoded->level.clipped()) reference->warnings.push_back("REFERENCE_CLIPPED");
  if (decoded->level.quiet()) reference->warnings.push_back("REFERENCE_QUIET");
  decoded->samples = {};  // up to 24 times the size of what is encoded
  Progress progress(&metrics_, reference->seconds);
  bool wanted = true;
  absl::StatusOr<Codes> codes = encoder_->Encode(*samples, [&](double done) {
    progress.Update(done);
    wanted = Wanted(key);
    return wanted;
  });
  if (!wanted) return absl::CancelledError("nobody waits for the recording any more");
  if (!codes.ok()) return codes.status();
  reference->codes = *std::move(codes);
  return SharedReference(std::move(reference));
}

bool ReferenceCache::Wanted(const std::string& key) {
  std::lock_guard<std::mutex> lock(mutex_);
  return WantedLocked(key);
}

// False: the job is gone, and whoever asks for the recording from now on begins a new one.
bool ReferenceCache::WantedLocked(const std::string& key) {
  if (stopping_) return false;
  const auto job = jobs_.find(key);
  std::vector<Waiter>& waiters = job->second.waiters;
  const auto gone = [](const Waiter& waiter) { return waiter.ticket.expired(); };
  waiters.erase(std::remove_if(waiters.begin(), waiters.end(), gone), waiters.end());
  if (!waiters.empty()) return true;
  jobs_.erase(job);
  metrics_.stopped.Increment();
  return false;
}

void ReferenceCache::Settle(const std::string& key, const absl::StatusOr<SharedReference>& result) {
  std::vector<Waiter> waiters;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto job = jobs_.find(key);
    waiters.swap(job->second.waiters);
    jobs_.erase(job);
    if (result.ok()) Keep(key, *result);
  }
  for (Waiter& waiter : waiters) {
    if (!waiter.ticket.expired()) waiter.done(result);
  }
}

void ReferenceCache::Keep(const std::string& key, SharedReference reference) {
  const size_t bytes = reference->codes.values.size() * sizeof(int32_t) + 2 * key.size() +
                       sizeof(EncodedReference) + sizeof(Kept);
  const auto age = by_age_.insert(by_age_.end(), key);
  kept_.emplace(key, Kept{std::move(reference), age, bytes});
  bytes_ += bytes;
  while (bytes_ > options_.max_bytes && !by_age_.empty()) {
    const auto oldest = kept_.find(by_age_.front());
    bytes_ -= oldest->second.bytes;
    kept_.erase(oldest);
    by_age_.pop_front();
    metrics_.memory_evictions.Increment();
  }
  metrics_.memory_bytes.Set(static_cast<double>(bytes_));
}

std::vector<std::string> ReferenceCache::TakeUsed() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> used(used_.begin(), used_.end());
  used_.clear();
  return used;
}

}  // namespace shoal::preprocess
