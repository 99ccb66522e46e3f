// A guest's time over a migration, in bhyve's terms.
//
// The rules are those of core/machine/time.h: the guest's clocks go on by the wall-clock time that passed, or from
// where they stood. bhyve counts the TSC in whole Hz, and sets a guest's clock by the moment when it would have booted
// on this host.
#pragma once

#include <cstdint>

#include "core/base/result.h"
#include "core/bhyve/abi/data.h"
#include "core/bhyve/device.h"
#include "core/machine/time.h"

namespace drover::bhyve {

struct AdvancedTime {
  abi::vdi_time_info_v1 time;  // to be written on the destination
  int64_t passed_ns;           // by how much the guest's clocks went on
  int64_t behind_ns;           // by how much the destination's wall clock was behind the source's; 0 where it was not
};

// `source` as read there while the VM was paused, `here` as read on the destination just now. Errors invalid_argument:
// a clock that is negative or impossible, a guest that booted in the future, a time that 63 bits of nanoseconds cannot
// hold, a number of cycles that overflows. The TSC itself wraps, as on a processor; the boot time may be negative.
Result<AdvancedTime> advance(const abi::vdi_time_info_v1& source, const abi::vdi_time_info_v1& here,
                             machine::ClockMode mode);

// The VM's time and the host's clocks, read at one moment.
Result<abi::vdi_time_info_v1> read_time(Device& vm);
// Before the devices, whose timers are set by it. The kernel adds the time since `time.vt_hrtime` to the TSC itself.
// Error unsupported where this host's TSC has another frequency and cannot be scaled.
Status write_time(Device& vm, const abi::vdi_time_info_v1& time);

}  // namespace drover::bhyve
