// Precedence: who comes first, for a row of the next step and for KV blocks. Pure functions of
// where a sequence stands at one moment.
//
// Rows: playback by the time its listener has left, emptiest first. A new turn is overdue from its
// submission on and goes first, so that first audio never waits for others' frames. Of turns under
// way all whose listeners are near empty come next, in order of arrival: where not all of them can
// be served, silence stands where turns begin, and turns that are nearly done end and make room,
// which leaves fewer listeners without audio than if all were served too slowly. But who has heard
// nothing for a long time goes before all, longest first, so nobody waits for ever. A turn that
// must be computed again has to begin so much earlier. Whole files come after that.
//
// Blocks: X may take the blocks of V if V is paused and X is not; else if V is a whole file and X
// plays; else if V's listener has more left by a margin; else, if neither has, if X came first. Of
// two sequences exactly one may take from the other, so among blocked ones somebody can go on. A V
// that has drawn nothing since it began (again) keeps its blocks, unless it is paused or in no
// hurry: then what takes them is in more of a hurry and draws first. So taking blocks back and
// forth always makes frames in between, and as turns have only so many frames, it ends. The eldest
// of the whole files keeps them too, and runs first now and then, so that it ends whatever plays.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_PRECEDENCE_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_PRECEDENCE_H_

#include <cstdint>

#include "services/ar_engine/policy/sequence.h"
#include "services/ar_engine/policy/step_cost.h"

namespace shoal::engine {

enum class Policy {
  kDeadline,   // as above
  kFirstCome,  // in order of arrival; blocks are taken from the paused, then from the latest
};

// Of listeners, in seconds of audio.
struct Hurry {
  double near_empty = 0.2;  // who has no more goes before all others
  double plenty = 10;       // who has more can sit out
  double margin = 1;        // to take blocks, which costs computing them again
  double silence = 5;       // who has heard nothing for longer goes first
};

// Where a sequence stands.
struct Standing {
  enum class Kind { kPlayback, kWholeFile, kPaused };
  Kind kind = Kind::kPlayback;
  double left = 0;     // seconds of audio, >= 0; for blocks
  double urgency = 0;  // seconds until it should run, below 0: overdue; for rows
  uint64_t arrival = 0;
  bool keeps_blocks = false;

  // The first in line whatever others are: of a whole file whose turn has come.
  void PutFirst();
};

class Precedence {
 public:
  Precedence(Policy policy, const Hurry& hurry) : policy_(policy), hurry_(hurry) {}

  Standing Of(const Sequence& sequence, const StepCost& cost, Sequence::TimePoint now) const;
  // A strict order.
  bool RunsBefore(const Standing& a, const Standing& b) const;
  bool MayTakeBlocks(const Standing& taker, const Standing& owner) const;
  // A strict order: whose blocks are taken first.
  bool LosesBlocksBefore(const Standing& a, const Standing& b) const;
  bool near_empty(const Standing& standing) const;
  bool has_plenty(const Standing& standing) const;

 private:
  const Policy policy_;
  const Hurry hurry_;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_PRECEDENCE_H_
