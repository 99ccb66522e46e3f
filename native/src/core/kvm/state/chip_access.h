// The interrupt controllers and the timer chip out of KVM and into it. While all processors are parked.
#pragma once

#include "core/base/result.h"
#include "core/kvm/state/states.h"
#include "core/kvm/vm.h"

namespace drover::kvm {

// `index` 0: the first PIC, 1: the second.
Result<PicState> get_pic(const Vm& vm, unsigned index);
Status set_pic(const Vm& vm, unsigned index, const PicState& state);

Result<IoapicState> get_ioapic(const Vm& vm);
// After the local APICs: it sends them what is pending.
Status set_ioapic(const Vm& vm, const IoapicState& state);

Result<PitState> get_pit(const Vm& vm);
// The kernel does not tell how far channel 0, the timer, has counted: it begins its count anew. A periodic one is late
// by a period at most; a one-shot that had fired fires once more.
Status set_pit(const Vm& vm, const PitState& state);

}  // namespace drover::kvm
