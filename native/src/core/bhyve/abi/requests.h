// The numbers of illumos's bhyve calls. They are plain integers: a base for what a call acts on, and the call's own
// byte.
#pragma once

namespace drover::bhyve::abi {

// On /dev/vmmctl.
inline constexpr int kVmmctl = ('V' << 16) | ('M' << 8);
inline constexpr int VMM_CREATE_VM = kVmmctl | 0x01;
inline constexpr int VMM_DESTROY_VM = kVmmctl | 0x02;
inline constexpr int VMM_INTERFACE_VERSION = kVmmctl | 0x04;  // the answer is the version

// On /dev/vmm/NAME, one processor, which comes out of the guest for it: the argument begins with its number.
inline constexpr int kVcpu = ('v' << 16) | ('p' << 8);
inline constexpr int VM_RUN = kVcpu | 0x01;
inline constexpr int VM_SET_SEGMENT_DESCRIPTOR = kVcpu | 0x04;
inline constexpr int VM_GET_SEGMENT_DESCRIPTOR = kVcpu | 0x05;
inline constexpr int VM_SET_REGISTER_SET = kVcpu | 0x06;
inline constexpr int VM_GET_REGISTER_SET = kVcpu | 0x07;
inline constexpr int VM_INJECT_EXCEPTION = kVcpu | 0x08;
inline constexpr int VM_ACTIVATE_CPU = kVcpu | 0x10;
inline constexpr int VM_RESET_CPU = kVcpu | 0x16;
inline constexpr int VM_GET_RUN_STATE = kVcpu | 0x17;
inline constexpr int VM_SET_RUN_STATE = kVcpu | 0x18;
inline constexpr int VM_GET_FPU = kVcpu | 0x19;
inline constexpr int VM_SET_FPU = kVcpu | 0x1a;

// On /dev/vmm/NAME, with every processor out of the guest.
inline constexpr int kLocked = ('v' << 16) | ('l' << 8);
inline constexpr int VM_ALLOC_MEMSEG = kLocked | 0x05;
inline constexpr int VM_MMAP_MEMSEG = kLocked | 0x06;
inline constexpr int VM_PAUSE = kLocked | 0x0a;
inline constexpr int VM_RESUME = kLocked | 0x0b;

// On /dev/vmm/NAME, anything else.
inline constexpr int kVm = ('v' << 16) | ('m' << 8);
inline constexpr int VM_SUSPEND_CPU = kVm | 0x1d;
inline constexpr int VM_RESUME_CPU = kVm | 0x1e;
inline constexpr int VM_TRACK_DIRTY_PAGES = kVm | 0x20;
inline constexpr int VM_DESC_FPU_AREA = kVm | 0x21;
inline constexpr int VM_DATA_READ = kVm | 0x22;
inline constexpr int VM_DATA_WRITE = kVm | 0x23;
inline constexpr int VM_SET_AUTODESTRUCT = kVm | 0x24;
inline constexpr int VM_NPT_OPERATION = kVm | 0x28;
inline constexpr int VM_DEVMEM_GETOFFSET = kVm | 0xff;

static_assert(VMM_CREATE_VM == 0x564d01 && VMM_INTERFACE_VERSION == 0x564d04);
static_assert(VM_RUN == 0x767001 && VM_SET_FPU == 0x76701a);
static_assert(VM_ALLOC_MEMSEG == 0x766c05 && VM_MMAP_MEMSEG == 0x766c06);
static_assert(VM_PAUSE == 0x766c0a && VM_RESUME == 0x766c0b);
static_assert(VM_TRACK_DIRTY_PAGES == 0x766d20 && VM_DATA_READ == 0x766d22 && VM_DATA_WRITE == 0x766d23);
static_assert(VM_SUSPEND_CPU == 0x766d1d && VM_NPT_OPERATION == 0x766d28 && VM_DEVMEM_GETOFFSET == 0x766dff);

}  // namespace drover::bhyve::abi
