#include "core/bhyve/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "core/bhyve/abi/memory.h"
#include "core/bhyve/abi/requests.h"
#include "core/bhyve/call.h"
#include "core/machine/slots.h"

namespace drover::bhyve {

namespace {

constexpr const char* kWhat = "guest memory could not be made";

Status make_segment(Device& vm, Segment& segment) {
  const uint64_t bytes = segment.pages * kPageSize;
  abi::vm_memseg made{};
  made.segid = segment.id;
  made.len = bytes;
  if (Status called = call(vm, DROVER_BHYVE_NAMED(VM_ALLOC_MEMSEG), &made, kWhat); !called) {
    Error error = called.error();
    if (error.error_number == ENOMEM || error.error_number == ENOSPC) {
      error.code = Code::limit;
      error.message = "this host has not " + std::to_string(bytes >> 20) +
                      " MiB left for a VM's memory; choose another host or free some";
    }
    return error;
  }
  abi::vm_memmap map{};
  map.gpa = segment.guest_address;
  map.segid = segment.id;
  map.len = bytes;
  map.prot = PROT_READ | PROT_WRITE | PROT_EXEC;
  if (Status called = call(vm, DROVER_BHYVE_NAMED(VM_MMAP_MEMSEG), &map, kWhat); !called) return called;

  abi::vm_devmem_offset place{};
  place.segid = segment.id;
  if (Status called = call(vm, DROVER_BHYVE_NAMED(VM_DEVMEM_GETOFFSET), &place, kWhat); !called) return called;
  auto guest_view = vm.map(segment.guest_address, bytes);
  if (!guest_view) return guest_view.error();
  segment.guest_view = guest_view.take();
  auto segment_view = vm.map(static_cast<uint64_t>(place.offset), bytes);
  if (!segment_view) return segment_view.error();
  segment.segment_view = segment_view.take();
  return success();
}

}  // namespace

Result<Memory> Memory::allocate(Device& vm, uint64_t bytes) {
  if (bytes == 0 || bytes % kPageSize != 0) {
    return Error{Code::invalid_argument, "a VM's memory must be one or more whole pages of 4 KiB"};
  }
  const uint64_t low = std::min(bytes, machine::kHoleStart);
  Memory memory;
  memory.segments_.push_back({0, 0, low / kPageSize, 0, {}, {}});
  if (bytes > low)
    memory.segments_.push_back({1, machine::kHoleEnd, (bytes - low) / kPageSize, low / kPageSize, {}, {}});
  for (Segment& segment : memory.segments_) {
    if (Status made = make_segment(vm, segment); !made) return made.error();
  }
  return memory;
}

uint64_t Memory::pages() const {
  uint64_t pages = 0;
  for (const Segment& segment : segments_) pages += segment.pages;
  return pages;
}

const Segment* Memory::holder(uint64_t guest_address, uint64_t bytes) const {
  for (const Segment& segment : segments_) {
    const uint64_t size = segment.pages * kPageSize;
    if (guest_address < segment.guest_address || guest_address - segment.guest_address > size) continue;
    if (bytes <= size - (guest_address - segment.guest_address)) return &segment;
  }
  return nullptr;
}

Status Memory::write(uint64_t guest_address, std::span<const uint8_t> bytes) const {
  const Segment* segment = holder(guest_address, bytes.size());
  if (segment == nullptr) return Error{Code::invalid_argument, "not all of these guest addresses are RAM"};
  if (bytes.empty()) return success();
  std::memcpy(segment->guest_view.data() + (guest_address - segment->guest_address), bytes.data(), bytes.size());
  return success();
}

Status Memory::read(uint64_t guest_address, std::span<uint8_t> bytes) const {
  const Segment* segment = holder(guest_address, bytes.size());
  if (segment == nullptr) return Error{Code::invalid_argument, "not all of these guest addresses are RAM"};
  if (bytes.empty()) return success();
  std::memcpy(bytes.data(), segment->segment_view.data() + (guest_address - segment->guest_address), bytes.size());
  return success();
}

}  // namespace drover::bhyve
