// What VM_DATA_READ and VM_DATA_WRITE take, and the classes of data.
#pragma once

#include <cstddef>
#include <cstdint>

namespace drover::bhyve::abi {

// More in one call is EFBIG.
inline constexpr uint32_t kDataBytesMax = 8192;
// vdx_vcpuid for what belongs to the whole VM.
inline constexpr int32_t kWholeVm = -1;

struct vm_data_xfer {
  int32_t vdx_vcpuid;
  uint16_t vdx_class;
  uint16_t vdx_version;
  uint32_t vdx_flags;
  uint32_t vdx_len;         // bytes at vdx_data
  uint32_t vdx_result_len;  // set also where the call fails; with ENOSPC the bytes needed
  void* vdx_data;
};
static_assert(sizeof(vm_data_xfer) == 32 && offsetof(vm_data_xfer, vdx_class) == 4 &&
              offsetof(vm_data_xfer, vdx_version) == 6 && offsetof(vm_data_xfer, vdx_flags) == 8 &&
              offsetof(vm_data_xfer, vdx_len) == 12 && offsetof(vm_data_xfer, vdx_result_len) == 16 &&
              offsetof(vm_data_xfer, vdx_data) == 24);
// A read takes the entries' identifiers from the caller's bytes, and fills in their values.
inline constexpr uint32_t VDX_FLAG_READ_COPYIN = 1 << 0;
inline constexpr uint32_t VDX_FLAG_WRITE_COPYOUT = 1 << 1;

inline constexpr uint16_t VDC_VERSION = 1;
inline constexpr uint16_t VDC_MSR = 3;
inline constexpr uint16_t VDC_LAPIC = 5;
inline constexpr uint16_t VDC_VMM_ARCH = 6;
inline constexpr uint16_t VDC_IOAPIC = 7;
inline constexpr uint16_t VDC_ATPIT = 8;
inline constexpr uint16_t VDC_ATPIC = 9;
inline constexpr uint16_t VDC_HPET = 10;
inline constexpr uint16_t VDC_PM_TIMER = 11;
inline constexpr uint16_t VDC_RTC = 12;
inline constexpr uint16_t VDC_VMM_TIME = 13;
inline constexpr uint16_t VDC_PMU_AMD = 14;

// VDC_MSR and VDC_VMM_ARCH are lists of these.
struct vdi_field_entry_v1 {
  uint32_t vfe_ident;
  uint32_t pad;
  uint64_t vfe_value;
};
static_assert(sizeof(vdi_field_entry_v1) == 16 && offsetof(vdi_field_entry_v1, vfe_value) == 8);

// VDC_VMM_ARCH, of one processor: what waits to be injected.
inline constexpr uint32_t VAI_PEND_NMI = 10;
inline constexpr uint32_t VAI_PEND_EXTINT = 11;
inline constexpr uint32_t VAI_PEND_EXCP = 12;
inline constexpr uint32_t VAI_PEND_INTINFO = 13;

// VDC_VERSION is a list of these: what this host's kernel has.
struct vdi_version_entry_v1 {
  uint16_t vve_class;
  uint16_t vve_version;
  uint16_t vve_len_expect;    // 0: a list
  uint16_t vve_len_per_item;  // 0: of one size
};
static_assert(sizeof(vdi_version_entry_v1) == 8 && offsetof(vdi_version_entry_v1, vve_len_expect) == 4 &&
              offsetof(vdi_version_entry_v1, vve_len_per_item) == 6);

// VDC_VMM_TIME.
struct vdi_time_info_v1 {
  uint64_t vt_guest_freq;  // of the guest's TSC, Hz
  uint64_t vt_guest_tsc;
  int64_t
      vt_boot_hrtime;    // ns; when the guest booted, by the host's monotonic clock. May be negative after a migration
  int64_t vt_hrtime;     // ns; the host's monotonic clock
  uint64_t vt_hres_sec;  // the host's wall clock, since 1970
  uint64_t vt_hres_ns;
  bool operator==(const vdi_time_info_v1&) const = default;
};
static_assert(sizeof(vdi_time_info_v1) == 48 && offsetof(vdi_time_info_v1, vt_boot_hrtime) == 16 &&
              offsetof(vdi_time_info_v1, vt_hrtime) == 24 && offsetof(vdi_time_info_v1, vt_hres_sec) == 32 &&
              offsetof(vdi_time_info_v1, vt_hres_ns) == 40);

}  // namespace drover::bhyve::abi
