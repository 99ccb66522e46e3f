// The whole state of a machine but its memory, as plain data, and its payloads.
#pragma once

#include <array>
#include <vector>

#include "core/base/result.h"
#include "core/kvm/state/states.h"
#include "core/machine/payload.h"

namespace drover::kvm {

using machine::Payload;
using machine::PayloadKind;

// Every kind of payload. The layouts are declared once, in layouts.h, and little-endian; SPEC.md beside this file is
// their table. A layout that has been released is never changed: a change is a new version, and an older one stays
// readable.
const std::vector<PayloadKind>& payload_kinds();

struct MachineState {
  std::vector<CpuidState> cpuids;  // one a processor, as cpus and time.tscs
  std::vector<CpuState> cpus;
  std::array<PicState, 2> pics;
  IoapicState ioapic;
  PitState pit;
  SerialState serial;
  TimeState time;
};

// In the newest version of each kind.
std::vector<Payload> write_payloads(MachineState& state);

// Errors, naming the payload: invalid_argument where one is missing, there twice, cut short, too long, or of no device
// of a machine with so many processors; unsupported where its version is not one of payload_kinds().
Result<MachineState> read_payloads(const std::vector<Payload>& payloads, unsigned vcpus);

// The payloads of kind machine/cpuid alone.
std::vector<Payload> write_cpuid_payloads(std::vector<CpuidState>& cpuids);

}  // namespace drover::kvm
