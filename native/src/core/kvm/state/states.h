// The machine's state between KVM and its payloads.
#pragma once

#include <linux/kvm.h>

#include <array>
#include <cstdint>
#include <vector>

#include "core/machine/serial_port.h"

namespace drover::kvm {

using machine::SerialPort;

struct CpuidState {
  std::vector<kvm_cpuid_entry2> entries;
};

struct MsrValue {
  uint32_t index;
  uint64_t value;
  bool operator==(const MsrValue&) const = default;
};

// One processor, but for its CPUID and its TSC.
struct CpuState {
  kvm_mp_state mp_state{};
  kvm_regs regs{};
  kvm_sregs sregs{};
  kvm_debugregs debugregs{};
  std::vector<kvm_xcr> xcrs;
  std::vector<uint8_t> xsave;  // in the standard form, as CPUID 0xd lays it out
  kvm_lapic_state lapic{};
  std::vector<MsrValue> msrs;
  kvm_vcpu_events events{};
};

struct PicState {
  kvm_pic_state chip{};
};

struct IoapicState {
  kvm_ioapic_state chip{};
};

struct PitState {
  // count_load_time is the time since the count was loaded, ns: the kernel's own is of the host's clock.
  kvm_pit_state2 chip{};
};

struct TimeState {
  int64_t wall_ns = 0;
  uint64_t clock_ns = 0;
  uint32_t tsc_khz = 0;
  std::vector<uint64_t> tscs;  // one a processor, all of one moment
};

struct SerialState {
  SerialPort::State port;
};

}  // namespace drover::kvm
