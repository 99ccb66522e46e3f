// A guest's time over a migration: plain arithmetic.
//
// The guest's TSC and clock go on by the wall-clock time that passed, so both hosts' clocks must be synchronised. Where
// the destination's is behind, time stands still rather than going back.
#pragma once

#include <cstdint>

#include "core/base/result.h"

namespace drover::machine {

struct GuestTime {
  int64_t wall_ns;    // the host's wall clock at that moment, since 1970
  uint64_t clock_ns;  // KVM's guest clock
  uint64_t tsc;       // the first processor's time stamp counter
  uint32_t tsc_khz;
  bool operator==(const GuestTime&) const = default;
};

enum class ClockMode {
  wall,     // goes on by the wall-clock time that passed
  stopped,  // goes on from where it stood
};

struct AdvancedTime {
  uint64_t clock_ns;
  uint64_t tsc;
  int64_t passed_ns;  // by how much both went on
  int64_t behind_ns;  // by how much the destination's wall clock was behind the source's; 0 where it was not
  bool operator==(const AdvancedTime&) const = default;
};

// The guest's time when the destination's wall clock shows `wall_ns`. The TSC wraps as on a processor. Errors
// invalid_argument: a negative wall clock, a time between them that 63 bits of nanoseconds cannot hold, a clock or a
// number of cycles that overflows.
Result<AdvancedTime> advance(const GuestTime& source, int64_t wall_ns, ClockMode mode);

}  // namespace drover::machine
