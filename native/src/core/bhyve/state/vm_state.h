// A paused VM's state but its memory, as payloads, one for each device.
//
// What the kernel carries by class travels as the kernel's own bytes, under the class's own version. Registers,
// segments, run state and FPU are laid out here (cpu_layouts.h). A layout that has been released is never changed: a
// change is a new version, and an older one stays readable. docs/bhyve.md is the table.
#pragma once

#include <vector>

#include "core/base/result.h"
#include "core/bhyve/vm.h"
#include "core/machine/payload.h"
#include "core/machine/time.h"

namespace drover::bhyve {

using machine::Payload;
using machine::PayloadKind;

// The kinds with the versions that this release reads, in order; the last is what it writes.
const std::vector<PayloadKind>& payload_kinds();

// Before anything depends on it: this host's kernel has every class that a VM's state needs. Error unsupported.
Status check_host(Vm& vm);

// Prerequisite: the VM is paused. Errors: unsupported, limit, system_call.
Result<std::vector<Payload>> save(Vm& vm, int vcpus);

// Sets a state into a paused VM of as many processors. All payloads are read before anything is set. Errors:
// invalid_argument, naming the payload, where one is missing, there twice, malformed, or of no device of this VM;
// unsupported where its version is not known, or this host lacks a class, an MSR, the FPU or the frequency; permission
// where the host does not allow it. After an error the VM must be thrown away.
Status load(Vm& vm, int vcpus, const std::vector<Payload>& payloads, machine::ClockMode mode);

}  // namespace drover::bhyve
