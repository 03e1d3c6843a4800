#include "services/preprocess/front/voice_loader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {

VoiceLoader::VoiceLoader(ReferenceCache* cache, FrontLoop* loop,
                         std::vector<UploadedReference> uploads, Done done)
    : state_(std::make_shared<State>()) {
  if (uploads.empty()) {
    done(std::vector<Voice>());
    return;
  }
  state_->missing = uploads.size();
  state_->done = std::move(done);
  for (UploadedReference& upload : uploads) {
    state_->voices.push_back({std::move(upload.transcript), nullptr});
  }
  for (size_t i = 0; i < uploads.size(); ++i) {
    const std::weak_ptr<State> weak = state_;
    state_->tickets.push_back(cache->Get(
        std::move(uploads[i].audio), [weak, i, loop](absl::StatusOr<SharedReference> reference) {
          loop->Post([weak, i, reference = std::move(reference)]() mutable {
            if (const auto state = weak.lock()) {
              OnReference(*state, i, std::move(reference));
            }
          });
        }));
  }
}

void VoiceLoader::OnReference(State& state, size_t index,
                              absl::StatusOr<SharedReference> reference) {
  if (state.done == nullptr) return;
  if (reference.ok()) {
    state.voices[index].reference = *std::move(reference);
    if (--state.missing > 0) return;
    state.tickets.clear();
    return std::exchange(state.done, nullptr)(std::move(state.voices));
  }
  absl::Status status = reference.status();
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    status = InvalidField(absl::StrCat("config.references[", index, "].audio"), status.message(),
                          reason::kReferenceUnusable);
  }
  state.tickets.clear();
  std::exchange(state.done, nullptr)(status);
}

}  // namespace shoal::preprocess
