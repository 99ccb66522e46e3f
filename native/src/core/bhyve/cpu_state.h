// A processor's state that VM_DATA_READ does not carry: registers, segments, run state, FPU. Each is read and set while
// the processor is out of the guest.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/bhyve/abi/cpu.h"
#include "core/bhyve/device.h"

namespace drover::bhyve {

struct Register {
  int32_t number;  // abi::vm_reg_name
  uint64_t value;
  bool operator==(const Register&) const = default;
};

struct SegmentRegister {
  int32_t number;  // abi::vm_reg_name
  uint64_t base;
  uint32_t limit;
  uint32_t access;
  bool operator==(const SegmentRegister&) const = default;
};

struct RunState {
  uint32_t state;
  uint8_t sipi_vector;
  bool operator==(const RunState&) const = default;
};

// The numbers that get_ gives, and all that set_ takes, in the order in which they are set: EFER and CR4 before CR0,
// which checks against them.
const std::vector<int32_t>& register_numbers();
const std::vector<int32_t>& segment_numbers();

Result<std::vector<Register>> get_registers(Device& vm, int vcpu);
Status set_registers(Device& vm, int vcpu, std::span<const Register> registers);
Result<std::vector<SegmentRegister>> get_segments(Device& vm, int vcpu);
Status set_segments(Device& vm, int vcpu, std::span<const SegmentRegister> segments);
Result<RunState> get_run_state(Device& vm, int vcpu);
Status set_run_state(Device& vm, int vcpu, const RunState& state);

// Bytes of the FPU's state with all that this host's processor has. Error unsupported where it is more than a call
// carries.
Result<uint64_t> fpu_bytes(Device& vm);
Result<std::vector<uint8_t>> get_fpu(Device& vm, int vcpu);
// Error unsupported where it is not this host's size: another processor wrote it.
Status set_fpu(Device& vm, int vcpu, std::span<const uint8_t> state);

// For a guest that failed: "rip=... rsp=... cr0=...", hexadecimal; empty where they cannot be read.
std::string describe_registers(Device& vm, int vcpu);

}  // namespace drover::bhyve
