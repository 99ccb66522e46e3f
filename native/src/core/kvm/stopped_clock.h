// Whether a guest's time can stand still over a migration here: that takes a KVM that sets its TSC.
#pragma once

#include <memory>

#include "core/base/result.h"
#include "core/kvm/host.h"

namespace drover::kvm {

// Tries it on a VM that never runs, as loading a state does: by KVM_VCPU_TSC_OFFSET, without it by IA32_TSC. Error
// unsupported where the guest would have the host's own TSC, which nobody can stop; the sentence says so. A few
// milliseconds.
Status check_stopped_clock(std::shared_ptr<const Host> host);

}  // namespace drover::kvm
