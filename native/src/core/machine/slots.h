// Where guest memory lies in the guest's physical address space.
//
// Pages count through all regions from 0. The first 3 GiB lie at address 0; below 4 GiB is the hole for devices; the
// rest follows from 4 GiB. A region that crosses the hole is two slots.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/result.h"
#include "core/memory/guest_memory.h"

namespace drover::machine {

inline constexpr uint64_t kHoleStart = uint64_t{3} << 30;
inline constexpr uint64_t kHoleEnd = uint64_t{4} << 30;

// One KVM memory slot; its number is its place in Slots::all().
struct Slot {
  uint64_t guest_address;  // bytes
  uint64_t pages;
  uint64_t first_page;  // of the guest memory
  uint8_t* data;        // the mapping in this process
};

class Slots {
 public:
  explicit Slots(std::shared_ptr<const GuestMemory> memory);

  const std::vector<Slot>& all() const { return slots_; }
  const GuestMemory& memory() const { return *memory_; }
  // Bytes of RAM below the hole, and from 4 GiB on.
  uint64_t low_bytes() const;
  uint64_t high_bytes() const;

  // Copies bytes to a guest-physical address. Error invalid_argument where not all of it is RAM; nothing is written
  // then. For the time before the guest runs: no tracker sees these writes.
  Status write(uint64_t guest_address, std::span<const uint8_t> bytes) const;
  // The same from guest memory; for the same time.
  Status read(uint64_t guest_address, std::span<uint8_t> bytes) const;

 private:
  template <typename Copy>
  Status each_piece(uint64_t guest_address, uint64_t length, const Copy& copy) const;

  std::shared_ptr<const GuestMemory> memory_;
  std::vector<Slot> slots_;
};

}  // namespace drover::machine
