// The guest's clocks out of KVM and into it.
#pragma once

#include <vector>

#include "core/base/result.h"
#include "core/kvm/state/states.h"
#include "core/kvm/vcpu.h"
#include "core/machine/time.h"

namespace drover::kvm {

using machine::ClockMode;

// The clocks of a paused machine and when they were read.
Result<TimeState> get_time(const Vm& vm, const std::vector<Vcpu*>& vcpus);

// KVM's guest clock goes on from `state` by the rules of advance(). Before the processors' registers, because some of
// them have KVM write the guest's wall clock by it.
Status set_clock(const Vm& vm, const TimeState& state, ClockMode mode);

// Every processor's TSC, by the same rules; their differences stay as they were. After the registers. Error
// unsupported where this host's TSC has another frequency and cannot be scaled.
Status set_tscs(const std::vector<Vcpu*>& vcpus, const TimeState& state, ClockMode mode);

}  // namespace drover::kvm
