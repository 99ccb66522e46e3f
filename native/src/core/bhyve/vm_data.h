// The state of the kernel's devices and processors, class by class.
//
// A class has a version of its own, and is either of one size or a list of equal items. Its bytes are the kernel's own
// layout, carried as they are: what a version means is the kernel's promise, and check_classes() holds it to the sizes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/result.h"
#include "core/bhyve/abi/data.h"
#include "core/bhyve/device.h"

namespace drover::bhyve {

struct DataClass {
  const char* name;  // for sentences
  uint16_t number;   // abi::VDC_
  uint16_t version;
  uint16_t fixed_bytes;  // 0: a list
  uint16_t item_bytes;   // 0: of one size
};

inline constexpr DataClass kVersionClass{"version", abi::VDC_VERSION, 1, 0, sizeof(abi::vdi_version_entry_v1)};
inline constexpr DataClass kMsrClass{"msr", abi::VDC_MSR, 1, 0, sizeof(abi::vdi_field_entry_v1)};
inline constexpr DataClass kLapicClass{"lapic", abi::VDC_LAPIC, 1, 200, 0};
inline constexpr DataClass kEventsClass{"vmm-arch", abi::VDC_VMM_ARCH, 1, 0, sizeof(abi::vdi_field_entry_v1)};
inline constexpr DataClass kIoapicClass{"ioapic", abi::VDC_IOAPIC, 1, 392, 0};
inline constexpr DataClass kPitClass{"atpit", abi::VDC_ATPIT, 1, 72, 0};
inline constexpr DataClass kPicClass{"atpic", abi::VDC_ATPIC, 1, 80, 0};
inline constexpr DataClass kHpetClass{"hpet", abi::VDC_HPET, 1, 288, 0};
inline constexpr DataClass kPmTimerClass{"pm-timer", abi::VDC_PM_TIMER, 1, 16, 0};
inline constexpr DataClass kRtcClass{"rtc", abi::VDC_RTC, 2, 152, 0};
inline constexpr DataClass kTimeClass{"time", abi::VDC_VMM_TIME, 1, sizeof(abi::vdi_time_info_v1), 0};
// Only from interface version 18 on.
inline constexpr DataClass kPmuClass{"pmu-amd", abi::VDC_PMU_AMD, 1, 96, 0};

// All of a class: of processor `vcpu`, or of abi::kWholeVm. Errors: unsupported (this host's kernel has not the class
// in that version, or in another size), limit (more than one call can carry), system_call.
Result<std::vector<uint8_t>> read_data(Device& vm, const DataClass& data_class, int vcpu);

// Errors: invalid_argument (not the class's size), limit, system_call; permission where this host does not allow it.
Status write_data(Device& vm, const DataClass& data_class, int vcpu, std::span<const uint8_t> bytes);

// The values of these items of kMsrClass or kEventsClass, in their order. Error system_call (EINVAL) where the host
// lacks one.
Result<std::vector<uint64_t>> read_fields(Device& vm, const DataClass& data_class, int vcpu,
                                          std::span<const uint32_t> idents);

// Every class of `wanted` is on this host, in that version and size (R7). Error unsupported, naming the class.
Status check_classes(Device& vm, std::span<const DataClass> wanted);

}  // namespace drover::bhyve
