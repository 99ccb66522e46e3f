// What the calls on one processor take: running it, and its registers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace drover::bhyve::abi {

inline constexpr int kVcpusMax = 32;

struct vm_inout {
  uint32_t eax;
  uint16_t port;
  uint8_t bytes;
  uint8_t flags;
  uint8_t addrsize;
  uint8_t segment;
};
static_assert(sizeof(vm_inout) == 12 && offsetof(vm_inout, port) == 4 && offsetof(vm_inout, flags) == 7);
inline constexpr uint8_t INOUT_IN = 1 << 0;

struct vm_mmio {
  uint8_t bytes;
  uint8_t read;
  uint16_t pad[3];
  uint64_t gpa;
  uint64_t data;
};
static_assert(sizeof(vm_mmio) == 24 && offsetof(vm_mmio, gpa) == 8 && offsetof(vm_mmio, data) == 16);

enum vm_exitcode : int32_t {
  VM_EXITCODE_INOUT = 0,
  VM_EXITCODE_VMX = 1,
  VM_EXITCODE_BOGUS = 2,  // nothing happened: somebody else needed the processor for a moment
  VM_EXITCODE_RDMSR = 3,
  VM_EXITCODE_WRMSR = 4,
  VM_EXITCODE_PAGING = 8,
  VM_EXITCODE_INST_EMUL = 9,
  VM_EXITCODE_SUSPENDED = 14,
  VM_EXITCODE_MMIO = 15,
  VM_EXITCODE_SVM = 19,
  VM_EXITCODE_DEBUG = 21,  // it is suspended
};

enum vm_suspend_how : int32_t {
  VM_SUSPEND_RESET = 1,
  VM_SUSPEND_POWEROFF = 2,
  VM_SUSPEND_HALT = 3,
  VM_SUSPEND_TRIPLEFAULT = 4,
};

struct vm_exit {
  int32_t exitcode;  // vm_exitcode
  int32_t inst_length;
  uint64_t rip;
  union {
    vm_inout inout;
    vm_mmio mmio;
    struct {
      uint32_t code;
      uint64_t wval;
    } msr;
    struct {
      int32_t how;  // vm_suspend_how
      int32_t source;
      uint64_t when;
    } suspended;
    uint64_t largest[6];  // a task switch's
  } u;
};
static_assert(sizeof(vm_exit) == 64 && offsetof(vm_exit, rip) == 8 && offsetof(vm_exit, u) == 16);

inline constexpr uint32_t VEC_DEFAULT = 0;
inline constexpr uint32_t VEC_FULFILL_MMIO = 2;
inline constexpr uint32_t VEC_FULFILL_INOUT = 3;

struct vm_entry {
  int32_t cpuid;
  uint32_t cmd;     // VEC_
  void* exit_data;  // a vm_exit
  union {
    vm_inout inout;
    vm_mmio mmio;
  } u;
};
static_assert(sizeof(vm_entry) == 40 && offsetof(vm_entry, exit_data) == 8 && offsetof(vm_entry, u) == 16);

struct vm_exception {
  int32_t cpuid;
  int32_t vector;
  uint32_t error_code;
  int32_t error_code_valid;
  int32_t restart_instruction;
};
static_assert(sizeof(vm_exception) == 20);

// Of VM_ACTIVATE_CPU, VM_SUSPEND_CPU and VM_RESUME_CPU.
struct vm_activate_cpu {
  int32_t vcpuid;
};

struct vm_vcpu_reset {
  int32_t vcpuid;
  uint32_t kind;  // 0: as at power on
};
static_assert(sizeof(vm_vcpu_reset) == 8);

struct vm_run_state {
  int32_t vcpuid;
  uint32_t state;
  uint8_t sipi_vector;
  uint8_t pad[3];
};
static_assert(sizeof(vm_run_state) == 12);
inline constexpr uint32_t VRS_RUN = 1 << 1;

// vm_reg_name.
enum vm_reg_name : int32_t {
  VM_REG_GUEST_RAX = 0,  // then RBX, RCX, RDX, RSI, RDI, RBP, R8 to R15
  VM_REG_GUEST_R15 = 14,
  VM_REG_GUEST_CR0 = 15,
  VM_REG_GUEST_CR3 = 16,
  VM_REG_GUEST_CR4 = 17,
  VM_REG_GUEST_DR7 = 18,
  VM_REG_GUEST_RSP = 19,
  VM_REG_GUEST_RIP = 20,
  VM_REG_GUEST_RFLAGS = 21,
  VM_REG_GUEST_ES = 22,  // then CS, SS, DS, FS, GS, LDTR, TR: those have a selector
  VM_REG_GUEST_TR = 29,
  VM_REG_GUEST_IDTR = 30,
  VM_REG_GUEST_GDTR = 31,
  VM_REG_GUEST_EFER = 32,
  VM_REG_GUEST_CR2 = 33,
  VM_REG_GUEST_INTR_SHADOW = 38,
  VM_REG_GUEST_DR0 = 39,  // then DR1, DR2, DR3
  VM_REG_GUEST_DR3 = 42,
  VM_REG_GUEST_DR6 = 43,
  VM_REG_GUEST_XCR0 = 45,
  VM_REG_LAST = 46,
};

struct vm_register_set {
  int32_t cpuid;
  uint32_t count;
  const int32_t* regnums;
  uint64_t* regvals;
};
static_assert(sizeof(vm_register_set) == 24 && offsetof(vm_register_set, regnums) == 8);

struct vm_seg_desc {
  int32_t cpuid;
  int32_t regnum;
  uint64_t base;
  uint32_t limit;
  uint32_t access;
};
static_assert(sizeof(vm_seg_desc) == 24 && offsetof(vm_seg_desc, base) == 8 && offsetof(vm_seg_desc, access) == 20);

// More in one call is EINVAL.
inline constexpr uint64_t kFpuBytesMax = 8192;

struct vm_fpu_state {
  int32_t vcpuid;
  void* buf;
  uint64_t len;
};
static_assert(sizeof(vm_fpu_state) == 24 && offsetof(vm_fpu_state, len) == 16);

struct vm_fpu_desc_entry {
  uint64_t vfde_feature;
  uint32_t vfde_size;
  uint32_t vfde_off;
};
static_assert(sizeof(vm_fpu_desc_entry) == 16);

struct vm_fpu_desc {
  vm_fpu_desc_entry* vfd_entry_data;
  uint64_t vfd_req_size;  // bytes of a processor's whole FPU state
  uint32_t vfd_num_entries;
};
static_assert(sizeof(vm_fpu_desc) == 24 && offsetof(vm_fpu_desc, vfd_num_entries) == 16);

}  // namespace drover::bhyve::abi
