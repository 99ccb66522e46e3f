// The fake kernel's memory and dirty bits. Part of fake_host.h.
#pragma once

#include "bhyve/fake_host.h"

namespace drover::bhyve {

inline Result<Mapping> FakeHost::map(FakeVm& vm, uint64_t offset, uint64_t bytes) {
  std::lock_guard lock(mutex);
  for (auto& [id, segment] : vm.segments) {
    const bool by_guest = offset - segment.guest_address < segment.bytes;
    if (!by_guest && offset - segment.offset >= segment.bytes) continue;
    const uint64_t at = offset - (by_guest ? segment.guest_address : segment.offset);
    if (bytes > segment.bytes - at) break;
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                        (by_guest ? segment.guest_file : segment.segment_file).get(), static_cast<off_t>(at));
    EXPECT_NE(data, MAP_FAILED);
    return Mapping(static_cast<uint8_t*>(data), bytes);
  }
  errno = ENXIO;
  return errno_error("mmap(fake)", "not mapped");
}

inline void FakeHost::operate(FakeVm& vm, uint64_t address, uint64_t bytes, uint32_t operation, uint8_t* bitmap) {
  const bool in = (operation & abi::VNO_FLAG_BITMAP_IN) != 0;
  const bool out = (operation & abi::VNO_FLAG_BITMAP_OUT) != 0;
  const uint32_t what = operation & ~(abi::VNO_FLAG_BITMAP_IN | abi::VNO_FLAG_BITMAP_OUT);
  for (uint64_t page = 0; page < bytes / kPageSize; ++page) {
    const uint8_t mask = static_cast<uint8_t>(1u << (page % 8));
    if (in && (bitmap[page / 8] & mask) == 0) continue;
    const uint64_t guest_page = address / kPageSize + page;
    bool value = vm.dirty.contains(guest_page);
    if (what == abi::VNO_OP_RESET_DIRTY) vm.dirty.erase(guest_page);
    // A page without an entry gets one where memory backs it; elsewhere there is nothing to set.
    if (what == abi::VNO_OP_SET_DIRTY && is_ram(vm, guest_page)) value = vm.dirty.insert(guest_page).second;
    if (!out) continue;
    bitmap[page / 8] = static_cast<uint8_t>(value ? bitmap[page / 8] | mask : bitmap[page / 8] & ~mask);
  }
}

inline int FakeHost::dirty_pages(FakeVm& vm, abi::vmm_dirty_tracker& request) {
  if (request.vdt_start_gpa % kPageSize != 0) return failed(EINVAL);
  if (request.vdt_len == 0) return 0;
  if (request.vdt_len % kPageSize != 0 || request.vdt_len > abi::kScanBytesMax) return failed(EINVAL);
  scans.push_back({request.vdt_start_gpa, request.vdt_len, 0});
  if (!vm.tracked) return failed(EPERM);
  std::vector<uint8_t> bitmap((request.vdt_len / kPageSize + 7) / 8);
  operate(vm, request.vdt_start_gpa, request.vdt_len, abi::VNO_OP_RESET_DIRTY | abi::VNO_FLAG_BITMAP_OUT,
          bitmap.data());
  std::memcpy(request.vdt_pfns, bitmap.data(), bitmap.size());
  return 0;
}

inline int FakeHost::npt_operation(FakeVm& vm, abi::vm_npt_operation& request) {
  if (settings.version < 17) return failed(ENOTTY);
  if (request.vno_gpa % kPageSize != 0 || request.vno_len % kPageSize != 0) return failed(EINVAL);
  if (request.vno_len > abi::kScanBytesMax) return failed(EINVAL);
  switch (request.vno_operation & ~(abi::VNO_FLAG_BITMAP_IN | abi::VNO_FLAG_BITMAP_OUT)) {
    case abi::VNO_OP_GET_TRACK_DIRTY: return vm.tracked ? 1 : 0;
    case abi::VNO_OP_EN_TRACK_DIRTY:
      if (!settings.hardware_dirty_bits) return failed(ENOTSUP);
      vm.tracked = true;
      return 0;
    case abi::VNO_OP_DIS_TRACK_DIRTY: vm.tracked = false; return 0;
    case abi::VNO_OP_RESET_DIRTY:
    case abi::VNO_OP_SET_DIRTY:
    case abi::VNO_OP_GET_DIRTY: break;
    default: return failed(EINVAL);
  }
  scans.push_back({request.vno_gpa, request.vno_len, request.vno_operation});
  std::vector<uint8_t> bitmap((request.vno_len / kPageSize + 7) / 8);
  if ((request.vno_operation & abi::VNO_FLAG_BITMAP_IN) != 0) {
    std::memcpy(bitmap.data(), request.vno_bitmap, bitmap.size());
  }
  operate(vm, request.vno_gpa, request.vno_len, request.vno_operation, bitmap.data());
  if ((request.vno_operation & abi::VNO_FLAG_BITMAP_OUT) != 0) {
    std::memcpy(request.vno_bitmap, bitmap.data(), bitmap.size());
  }
  return 0;
}

}  // namespace drover::bhyve
