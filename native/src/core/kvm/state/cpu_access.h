// A processor's state out of KVM and into it, in the order that KVM needs. While the processor is parked.
#pragma once

#include <vector>

#include "core/base/result.h"
#include "core/kvm/state/states.h"
#include "core/kvm/vcpu.h"

namespace drover::kvm {

// Before the processor first runs. Error unsupported names the features that this host lacks. There is no way back:
// what KVM answers afterwards follows the guest's control registers, so whoever sets it remembers it.
Status set_cpuid(const Vcpu& vcpu, const CpuidState& state);

// The registers that are part of a processor's state here: those that the kernel says to save and this processor has,
// and IA32_TSC_DEADLINE, but not IA32_TSC, which comes with the time. After set_cpuid.
Result<std::vector<uint32_t>> msrs_of(const Vcpu& vcpu);

// With the registers of `msr_indices`, as far as the processor has them.
Result<CpuState> get_cpu(const Vcpu& vcpu, const std::vector<uint32_t>& msr_indices);
// All but what depends on the TSC: set_tscs and set_tsc_deadline come after. Errors unsupported: the register or
// the part of the state that this host cannot set.
Status set_cpu(const Vcpu& vcpu, const CpuState& state);

// Whether set_cpu, of KVM as it is, reads guest memory (the table of page directories, under PAE paging) or may write
// it (times and the like, into places that the guest named). Memory must then be complete before.
bool touches_memory(const CpuState& state);
// When the local APIC's timer fires, where it fires by the TSC. After set_tscs.
Status set_tsc_deadline(const Vcpu& vcpu, const CpuState& state);

// The registers of `msrs` that this processor has; what cannot be read is left out.
Result<std::vector<MsrValue>> get_msrs(const Vcpu& vcpu, const std::vector<uint32_t>& indices);
// Error unsupported names the first register that cannot be set, unless it has that value already.
Status set_msrs(const Vcpu& vcpu, const std::vector<MsrValue>& msrs);

}  // namespace drover::kvm
