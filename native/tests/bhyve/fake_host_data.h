// The fake kernel's device and processor state. Part of fake_host.h.
#pragma once

#include <algorithm>

#include "bhyve/fake_host.h"

namespace drover::bhyve {

inline int FakeHost::transfer_time(FakeVm& vm, void* bytes, bool write) {
  if (!write) {
    vm.time.vt_hrtime = settings.hrtime;
    vm.time.vt_hres_sec = settings.wall_seconds;
    std::memcpy(bytes, &vm.time, sizeof vm.time);
    return 0;
  }
  abi::vdi_time_info_v1 time;
  std::memcpy(&time, bytes, sizeof time);
  if (time.vt_guest_freq == 0) return failed(EINVAL);
  if (time.vt_guest_freq != settings.tsc_hz && !settings.scales_tsc) return failed(EPERM);
  if (time.vt_hrtime > settings.hrtime || time.vt_boot_hrtime > settings.hrtime) return failed(EINVAL);
  vm.time = time;
  return 0;
}

inline int FakeHost::transfer_list(FakeVm& vm, const FakeClass& found, abi::vm_data_xfer& xfer, bool write) {
  auto* entries = static_cast<abi::vdi_field_entry_v1*>(xfer.vdx_data);
  const size_t count = xfer.vdx_len / sizeof(abi::vdi_field_entry_v1);
  std::vector<uint32_t> idents(settings.msrs.begin(), settings.msrs.end());
  if (found.entry.vve_class == abi::VDC_VMM_ARCH) {
    idents = {abi::VAI_PEND_NMI, abi::VAI_PEND_EXTINT, abi::VAI_PEND_EXCP, abi::VAI_PEND_INTINFO};
  }
  std::vector<uint8_t>& kept = vm.data[{xfer.vdx_class, xfer.vdx_vcpuid}];
  const auto value_of = [&](uint32_t ident) -> uint64_t* {
    const auto at = std::find(idents.begin(), idents.end(), ident);
    if (at == idents.end()) return nullptr;
    kept.resize(idents.size() * 8);
    return reinterpret_cast<uint64_t*>(kept.data()) + (at - idents.begin());
  };
  if (!write && (xfer.vdx_flags & abi::VDX_FLAG_READ_COPYIN) == 0) {
    xfer.vdx_result_len = static_cast<uint32_t>(idents.size() * sizeof *entries);
    if (xfer.vdx_len < xfer.vdx_result_len) return failed(ENOSPC);
    for (size_t index = 0; index < idents.size(); ++index)
      entries[index] = {idents[index], 0, *value_of(idents[index])};
    return 0;
  }
  for (size_t index = 0; index < count; ++index) {
    if (value_of(entries[index].vfe_ident) == nullptr) return failed(EINVAL);
  }
  for (size_t index = 0; index < count; ++index) {
    uint64_t& value = *value_of(entries[index].vfe_ident);
    (write ? value : entries[index].vfe_value) = write ? entries[index].vfe_value : value;
  }
  xfer.vdx_result_len = static_cast<uint32_t>(count * sizeof *entries);
  return 0;
}

inline int FakeHost::transfer(FakeVm& vm, abi::vm_data_xfer& xfer, bool write) {
  if (xfer.vdx_vcpuid < -1 || xfer.vdx_vcpuid >= abi::kVcpusMax) return failed(EINVAL);
  if ((xfer.vdx_flags & ~(abi::VDX_FLAG_READ_COPYIN | abi::VDX_FLAG_WRITE_COPYOUT)) != 0) return failed(EINVAL);
  if (xfer.vdx_len > abi::kDataBytesMax) return failed(EFBIG);
  xfer.vdx_result_len = 0;
  if (write && settings.version < 13 && !settings.allow_state_writes) return failed(EPERM);
  const auto at = std::find_if(settings.classes.begin(), settings.classes.end(), [&](const FakeClass& each) {
    return each.entry.vve_class == xfer.vdx_class && each.entry.vve_version == xfer.vdx_version;
  });
  if (at == settings.classes.end()) return failed(EINVAL);
  const uint32_t fixed = at->entry.vve_len_expect;
  if (fixed > xfer.vdx_len) {
    xfer.vdx_result_len = fixed;
    return failed(ENOSPC);
  }
  if (at->per_vcpu && xfer.vdx_vcpuid == -1 && xfer.vdx_class != abi::VDC_VMM_ARCH) return failed(EINVAL);
  if (xfer.vdx_class == abi::VDC_VERSION) {
    if (write) return failed(EPERM);
    xfer.vdx_result_len = static_cast<uint32_t>(settings.classes.size() * 8);
    if (xfer.vdx_len < xfer.vdx_result_len) return failed(ENOSPC);
    auto* out = static_cast<abi::vdi_version_entry_v1*>(xfer.vdx_data);
    for (const FakeClass& each : settings.classes) *out++ = each.entry;
    return 0;
  }
  if (fixed == 0) return transfer_list(vm, *at, xfer, write);
  if (xfer.vdx_class == abi::VDC_VMM_TIME) {
    if (transfer_time(vm, xfer.vdx_data, write) != 0) return -1;
  } else {
    std::vector<uint8_t>& kept = vm.data[{xfer.vdx_class, xfer.vdx_vcpuid}];
    kept.resize(fixed);
    if (write) {
      std::memcpy(kept.data(), xfer.vdx_data, fixed);
    } else {
      std::memcpy(xfer.vdx_data, kept.data(), fixed);
    }
  }
  xfer.vdx_result_len = fixed;
  return 0;
}

}  // namespace drover::bhyve
