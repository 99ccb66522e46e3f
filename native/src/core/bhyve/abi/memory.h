// What the calls that make a VM, give it memory and follow its writes take.
#pragma once

#include <cstddef>
#include <cstdint>

namespace drover::bhyve::abi {

inline constexpr size_t kNameBytes = 128;  // with the zero at its end

struct vm_create_req {
  char name[kNameBytes];
  uint64_t flags;
};
static_assert(sizeof(vm_create_req) == 136 && offsetof(vm_create_req, flags) == 128);
inline constexpr uint64_t VCF_RESERVOIR_MEM = 1 << 0;
inline constexpr uint64_t VCF_TRACK_DIRTY = 1 << 1;

struct vm_destroy_req {
  char name[kNameBytes];
};
static_assert(sizeof(vm_destroy_req) == 128);

struct vm_memseg {
  int32_t segid;
  uint64_t len;           // bytes
  char name[kNameBytes];  // empty: the guest's RAM
};
static_assert(sizeof(vm_memseg) == 144 && offsetof(vm_memseg, len) == 8 && offsetof(vm_memseg, name) == 16);

struct vm_memmap {
  uint64_t gpa;
  int32_t segid;
  int64_t segoff;
  uint64_t len;
  int32_t prot;
  int32_t flags;
};
static_assert(sizeof(vm_memmap) == 40 && offsetof(vm_memmap, segid) == 8 && offsetof(vm_memmap, segoff) == 16 &&
              offsetof(vm_memmap, len) == 24 && offsetof(vm_memmap, prot) == 32 && offsetof(vm_memmap, flags) == 36);

struct vm_devmem_offset {
  int32_t segid;
  int64_t offset;
};
static_assert(sizeof(vm_devmem_offset) == 16 && offsetof(vm_devmem_offset, offset) == 8);

// Bytes of guest memory that one call may look at: 1 GiB.
inline constexpr uint64_t kScanBytesMax = uint64_t{8} * 4096 * 8 * 4096;
static_assert(kScanBytesMax == uint64_t{1} << 30);

// A bitmap here has bit i for page i of the range, the lowest bit of the first byte first.
struct vmm_dirty_tracker {
  uint64_t vdt_start_gpa;
  uint64_t vdt_len;  // bytes of guest memory
  void* vdt_pfns;
};
static_assert(sizeof(vmm_dirty_tracker) == 24 && offsetof(vmm_dirty_tracker, vdt_len) == 8 &&
              offsetof(vmm_dirty_tracker, vdt_pfns) == 16);

struct vm_npt_operation {
  uint64_t vno_gpa;
  uint64_t vno_len;  // bytes of guest memory
  uint8_t* vno_bitmap;
  uint32_t vno_operation;  // one of VNO_OP_, with VNO_FLAG_
};
static_assert(sizeof(vm_npt_operation) == 32 && offsetof(vm_npt_operation, vno_len) == 8 &&
              offsetof(vm_npt_operation, vno_bitmap) == 16 && offsetof(vm_npt_operation, vno_operation) == 24);

// Numbers, not bits: GET is not SET and RESET together.
inline constexpr uint32_t VNO_OP_RESET_DIRTY = 0x1;
inline constexpr uint32_t VNO_OP_SET_DIRTY = 0x2;
inline constexpr uint32_t VNO_OP_GET_DIRTY = 0x3;
inline constexpr uint32_t VNO_OP_GET_TRACK_DIRTY = 0x20;
inline constexpr uint32_t VNO_OP_EN_TRACK_DIRTY = 0x21;
inline constexpr uint32_t VNO_OP_DIS_TRACK_DIRTY = 0x22;
inline constexpr uint32_t VNO_FLAG_BITMAP_IN = uint32_t{1} << 30;
inline constexpr uint32_t VNO_FLAG_BITMAP_OUT = uint32_t{1} << 31;

}  // namespace drover::bhyve::abi
