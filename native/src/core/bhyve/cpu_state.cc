#include "core/bhyve/cpu_state.h"

#include <cstdio>

#include "core/bhyve/abi/requests.h"
#include "core/bhyve/call.h"

namespace drover::bhyve {

namespace {

std::string part(const char* name, int vcpu, const char* verb) {
  return std::string("the ") + name + " of processor " + std::to_string(vcpu) + " could not be " + verb;
}

std::vector<int32_t> all_registers() {
  std::vector<int32_t> numbers = {abi::VM_REG_GUEST_EFER, abi::VM_REG_GUEST_CR4, abi::VM_REG_GUEST_CR3,
                                  abi::VM_REG_GUEST_CR2,  abi::VM_REG_GUEST_CR0, abi::VM_REG_GUEST_XCR0};
  for (int32_t number = abi::VM_REG_GUEST_RAX; number <= abi::VM_REG_GUEST_R15; ++number) numbers.push_back(number);
  for (int32_t number = abi::VM_REG_GUEST_RSP; number <= abi::VM_REG_GUEST_TR; ++number) numbers.push_back(number);
  for (int32_t number = abi::VM_REG_GUEST_DR0; number <= abi::VM_REG_GUEST_DR6; ++number) numbers.push_back(number);
  numbers.push_back(abi::VM_REG_GUEST_DR7);
  numbers.push_back(abi::VM_REG_GUEST_INTR_SHADOW);
  return numbers;
}

std::vector<int32_t> all_segments() {
  std::vector<int32_t> numbers;
  for (int32_t number = abi::VM_REG_GUEST_ES; number <= abi::VM_REG_GUEST_GDTR; ++number) numbers.push_back(number);
  return numbers;
}

}  // namespace

const std::vector<int32_t>& register_numbers() {
  static const std::vector<int32_t> numbers = all_registers();
  return numbers;
}

const std::vector<int32_t>& segment_numbers() {
  static const std::vector<int32_t> numbers = all_segments();
  return numbers;
}

Result<std::vector<Register>> get_registers(Device& vm, int vcpu) {
  const std::vector<int32_t>& numbers = register_numbers();
  std::vector<uint64_t> values(numbers.size());
  abi::vm_register_set set{vcpu, static_cast<uint32_t>(numbers.size()), numbers.data(), values.data()};
  if (Status got = call(vm, DROVER_BHYVE_NAMED(VM_GET_REGISTER_SET), &set, part("registers", vcpu, "read")); !got) {
    return got.error();
  }
  std::vector<Register> registers;
  for (size_t index = 0; index < numbers.size(); ++index) registers.push_back({numbers[index], values[index]});
  return registers;
}

Status set_registers(Device& vm, int vcpu, std::span<const Register> registers) {
  std::vector<int32_t> numbers;
  std::vector<uint64_t> values;
  for (const Register& each : registers) {
    numbers.push_back(each.number);
    values.push_back(each.value);
  }
  abi::vm_register_set set{vcpu, static_cast<uint32_t>(numbers.size()), numbers.data(), values.data()};
  return call(vm, DROVER_BHYVE_NAMED(VM_SET_REGISTER_SET), &set, part("registers", vcpu, "set"));
}

Result<std::vector<SegmentRegister>> get_segments(Device& vm, int vcpu) {
  std::vector<SegmentRegister> segments;
  for (const int32_t number : segment_numbers()) {
    abi::vm_seg_desc segment{vcpu, number, 0, 0, 0};
    Status got =
        call(vm, DROVER_BHYVE_NAMED(VM_GET_SEGMENT_DESCRIPTOR), &segment, part("segment registers", vcpu, "read"));
    if (!got) return got.error();
    segments.push_back({number, segment.base, segment.limit, segment.access});
  }
  return segments;
}

Status set_segments(Device& vm, int vcpu, std::span<const SegmentRegister> segments) {
  for (const SegmentRegister& each : segments) {
    abi::vm_seg_desc segment{vcpu, each.number, each.base, each.limit, each.access};
    Status set =
        call(vm, DROVER_BHYVE_NAMED(VM_SET_SEGMENT_DESCRIPTOR), &segment, part("segment registers", vcpu, "set"));
    if (!set) return set;
  }
  return success();
}

Result<RunState> get_run_state(Device& vm, int vcpu) {
  abi::vm_run_state state{};
  state.vcpuid = vcpu;
  Status got = call(vm, DROVER_BHYVE_NAMED(VM_GET_RUN_STATE), &state, part("run state", vcpu, "read"));
  if (!got) return got.error();
  return RunState{state.state, state.sipi_vector};
}

Status set_run_state(Device& vm, int vcpu, const RunState& state) {
  abi::vm_run_state request{vcpu, state.state, state.sipi_vector, {}};
  return call(vm, DROVER_BHYVE_NAMED(VM_SET_RUN_STATE), &request, part("run state", vcpu, "set"));
}

Result<uint64_t> fpu_bytes(Device& vm) {
  abi::vm_fpu_desc description{};  // no room for entries: the size alone
  Status got = call(vm, DROVER_BHYVE_NAMED(VM_DESC_FPU_AREA), &description, "the size of the FPU is not known");
  if (!got) return got.error();
  const uint64_t bytes = description.vfd_req_size;
  if (bytes == 0 || bytes > abi::kFpuBytesMax) {
    return Error{Code::unsupported, "this host's FPU has a state of " + std::to_string(bytes) +
                                        " bytes, and bhyve carries 1 to " + std::to_string(abi::kFpuBytesMax) +
                                        "; choose a host with another processor"};
  }
  return bytes;
}

Result<std::vector<uint8_t>> get_fpu(Device& vm, int vcpu) {
  auto size = fpu_bytes(vm);
  if (!size) return size.error();
  std::vector<uint8_t> bytes(size.value());
  abi::vm_fpu_state state{vcpu, bytes.data(), bytes.size()};
  if (Status got = call(vm, DROVER_BHYVE_NAMED(VM_GET_FPU), &state, part("FPU", vcpu, "read")); !got) {
    return got.error();
  }
  return bytes;
}

Status set_fpu(Device& vm, int vcpu, std::span<const uint8_t> state) {
  auto size = fpu_bytes(vm);
  if (!size) return size.error();
  if (state.size() != size.value()) {
    return Error{Code::unsupported, "the guest's FPU has a state of " + std::to_string(state.size()) +
                                        " bytes, and this host's one of " + std::to_string(size.value()) +
                                        "; choose a host with the same processor"};
  }
  std::vector<uint8_t> bytes(state.begin(), state.end());
  abi::vm_fpu_state request{vcpu, bytes.data(), bytes.size()};
  return call(vm, DROVER_BHYVE_NAMED(VM_SET_FPU), &request, part("FPU", vcpu, "set"));
}

std::string describe_registers(Device& vm, int vcpu) {
  auto registers = get_registers(vm, vcpu);
  if (!registers) return {};
  struct Name {
    int32_t number;
    const char* name;
  };
  static constexpr Name kNames[] = {
      {abi::VM_REG_GUEST_RIP, "rip"}, {abi::VM_REG_GUEST_RSP, "rsp"},   {abi::VM_REG_GUEST_RFLAGS, "rflags"},
      {abi::VM_REG_GUEST_CR0, "cr0"}, {abi::VM_REG_GUEST_CR2, "cr2"},   {abi::VM_REG_GUEST_CR3, "cr3"},
      {abi::VM_REG_GUEST_CR4, "cr4"}, {abi::VM_REG_GUEST_EFER, "efer"},
  };
  std::string text;
  for (const Name& name : kNames) {
    for (const Register& each : registers.value()) {
      if (each.number != name.number) continue;
      char value[20];
      std::snprintf(value, sizeof value, "%llx", static_cast<unsigned long long>(each.value));
      text += (text.empty() ? "" : " ") + std::string(name.name) + "=" + value;
    }
  }
  return text;
}

}  // namespace drover::bhyve
