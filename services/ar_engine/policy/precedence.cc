#include "services/ar_engine/policy/precedence.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace shoal::engine {

void Standing::PutFirst() {
  kind = Kind::kPlayback;
  left = 0;
  urgency = -std::numeric_limits<double>::infinity();
}

Standing Precedence::Of(const Sequence& sequence, const StepCost& cost,
                        Sequence::TimePoint now) const {
  Standing standing;
  standing.arrival = sequence.arrival;
  if (policy_ == Policy::kFirstCome) {
    if (sequence.paused()) standing.kind = Standing::Kind::kPaused;
  } else if (sequence.paused()) {
    standing.kind = Standing::Kind::kPaused;
  } else if (sequence.request().priority == Priority::kWholeFile) {
    standing.kind = Standing::Kind::kWholeFile;
    standing.urgency = std::numeric_limits<double>::infinity();
  } else {
    standing.left = std::max(0.0, sequence.buffered_seconds(now));
    standing.urgency = sequence.buffered_seconds(now);
    if (standing.urgency > 0 && sequence.remaining() > 1) {
      const double ahead = cost.PromptSeconds(sequence.remaining());
      standing.urgency = std::max(0.0, standing.urgency - ahead);
    }
    if (sequence.frames() > 0 && standing.urgency > -hurry_.silence) {
      standing.urgency = std::max(hurry_.near_empty, standing.urgency);
    }
  }
  standing.keeps_blocks = !sequence.has_drawn_since_start() &&
                          standing.kind != Standing::Kind::kPaused &&
                          (!has_plenty(standing) || sequence.is_eldest_whole_file);
  return standing;
}

bool Precedence::RunsBefore(const Standing& a, const Standing& b) const {
  return std::tie(a.urgency, a.arrival) < std::tie(b.urgency, b.arrival);
}

bool Precedence::MayTakeBlocks(const Standing& taker, const Standing& owner) const {
  if (owner.keeps_blocks) return false;
  if (taker.kind != owner.kind) return taker.kind < owner.kind;
  const double more = owner.left - taker.left;
  if (more > hurry_.margin) return true;
  return more >= -hurry_.margin && owner.arrival > taker.arrival;
}

bool Precedence::LosesBlocksBefore(const Standing& a, const Standing& b) const {
  return std::tie(a.kind, a.left, a.arrival) > std::tie(b.kind, b.left, b.arrival);
}

bool Precedence::near_empty(const Standing& standing) const {
  return policy_ == Policy::kDeadline && standing.urgency <= hurry_.near_empty;
}

bool Precedence::has_plenty(const Standing& standing) const {
  return policy_ == Policy::kDeadline && standing.urgency > hurry_.plenty;
}

}  // namespace shoal::engine
