#include "core/machine/time.h"

#include <string>

namespace drover::machine {

namespace {

constexpr uint64_t kKhzNanosPerCycle = 1000000;

Error bad_time(const std::string& what) {
  return Error{Code::invalid_argument, "the guest's time cannot go on: " + what};
}

}  // namespace

Result<AdvancedTime> advance(const GuestTime& source, int64_t wall_ns, ClockMode mode) {
  if (source.wall_ns < 0 || wall_ns < 0) return bad_time("a host's wall clock is before 1970");
  // Two times that are not negative: their difference always fits.
  const int64_t difference = wall_ns - source.wall_ns;
  const int64_t behind = difference < 0 ? -difference : 0;
  const int64_t passed = difference < 0 || mode == ClockMode::stopped ? 0 : difference;
  uint64_t clock;
  if (__builtin_add_overflow(source.clock_ns, static_cast<uint64_t>(passed), &clock) ||
      clock > static_cast<uint64_t>(INT64_MAX)) {
    return bad_time("its clock would pass 2^63 ns");
  }
  const auto cycles = static_cast<unsigned __int128>(passed) * source.tsc_khz / kKhzNanosPerCycle;
  if (cycles > UINT64_MAX) return bad_time("the time between the hosts is more cycles than the TSC counts");
  return AdvancedTime{clock, source.tsc + static_cast<uint64_t>(cycles), passed, behind};
}

}  // namespace drover::machine
