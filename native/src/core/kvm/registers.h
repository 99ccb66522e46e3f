// A processor's registers as text, for a guest that failed.
#pragma once

#include <string>

#include "core/kvm/vcpu.h"

namespace drover::kvm {

// One line of `name=hex` words: general registers, control registers, code segment; and the bytes at the instruction
// pointer where they lie in memory. Registers that cannot be read are left out. On the processor's own thread.
std::string describe_registers(const Vcpu& vcpu);

}  // namespace drover::kvm
