// The kernel's structures that end in an array, and the sizes of those that are copied field by field.
//
// With the headers of Linux 6.1 a struct that ends in an array has another size in C++ (an empty struct takes a byte
// there), and with it the ioctl's number: so these, and their numbers, are written out. Linux Documentation/virt/kvm.
#pragma once

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace drover::kvm::uapi {

template <typename Entry, size_t Capacity>
struct List {
  uint32_t count = 0;
  uint32_t padding = 0;
  std::array<Entry, Capacity> entries{};
};

struct ListHeader {
  uint32_t count;
  uint32_t padding;
};

inline constexpr size_t kCpuidEntries = 256;
using CpuidList = List<kvm_cpuid_entry2, kCpuidEntries>;
static_assert(sizeof(ListHeader) == 8 && sizeof(kvm_cpuid_entry2) == 40);
static_assert(offsetof(CpuidList, entries) == 8);
inline constexpr unsigned long kGetSupportedCpuid = _IOWR(KVMIO, 0x05, ListHeader);
inline constexpr unsigned long kSetCpuid2 = _IOW(KVMIO, 0x90, ListHeader);

inline constexpr size_t kMsrEntries = 1024;
using MsrList = List<kvm_msr_entry, kMsrEntries>;
static_assert(sizeof(kvm_msr_entry) == 16 && offsetof(MsrList, entries) == 8);
inline constexpr unsigned long kGetMsrs = _IOWR(KVMIO, 0x88, ListHeader);
inline constexpr unsigned long kSetMsrs = _IOW(KVMIO, 0x89, ListHeader);

struct MsrIndexList {
  uint32_t count = 0;
  std::array<uint32_t, kMsrEntries> indices{};
};
inline constexpr unsigned long kGetMsrIndexList = _IOWR(KVMIO, 0x02, uint32_t);

struct SignalMask {
  uint32_t length;
  uint8_t blocked[8];  // the kernel's signal set, not the C library's
};
static_assert(sizeof(SignalMask) == 12);
inline constexpr unsigned long kSetSignalMask = _IOW(KVMIO, 0x8b, uint32_t);

// The first 4 KiB of an XSAVE area; KVM_CAP_XSAVE2 may say that there is more.
inline constexpr size_t kXsaveBytes = 4096;
inline constexpr size_t kXsaveBytesMax = 64 << 10;
inline constexpr unsigned long kGetXsave = _IOC(_IOC_READ, KVMIO, 0xa4, kXsaveBytes);
inline constexpr unsigned long kSetXsave = _IOC(_IOC_WRITE, KVMIO, 0xa5, kXsaveBytes);
inline constexpr unsigned long kGetXsave2 = _IOC(_IOC_READ, KVMIO, 0xcf, kXsaveBytes);

static_assert(sizeof(kvm_regs) == 18 * 8);
static_assert(sizeof(kvm_sregs) == 312);
static_assert(sizeof(kvm_debugregs) == 128);
static_assert(sizeof(kvm_vcpu_events) == 64);
static_assert(sizeof(kvm_lapic_state) == 1024);
static_assert(sizeof(kvm_pic_state) == 16);
static_assert(sizeof(kvm_ioapic_state) == 216);
static_assert(sizeof(kvm_pit_channel_state) == 24);
static_assert(sizeof(kvm_dirty_gfn) == 16);

}  // namespace drover::kvm::uapi
