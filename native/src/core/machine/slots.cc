#include "core/machine/slots.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace drover::machine {

namespace {

constexpr uint64_t kLowPages = kHoleStart / kPageSize;

}  // namespace

Slots::Slots(std::shared_ptr<const GuestMemory> memory) : memory_(std::move(memory)) {
  for (size_t index = 0; index < memory_->region_count(); ++index) {
    const Region& region = memory_->region(index);
    uint64_t done = 0;
    while (done < region.pages()) {
      const uint64_t page = region.first_page() + done;
      const bool low = page < kLowPages;
      const uint64_t count = low ? std::min(region.pages() - done, kLowPages - page) : region.pages() - done;
      const uint64_t address = page * kPageSize + (low ? 0 : kHoleEnd - kHoleStart);
      slots_.push_back({address, count, page, region.data() + done * kPageSize});
      done += count;
    }
  }
}

uint64_t Slots::low_bytes() const { return std::min(memory_->pages(), kLowPages) * kPageSize; }

uint64_t Slots::high_bytes() const { return memory_->pages() * kPageSize - low_bytes(); }

template <typename Copy>
Status Slots::each_piece(uint64_t guest_address, uint64_t length, const Copy& copy) const {
  // Twice, so that nothing is copied where not all of it is memory.
  for (const bool dry : {true, false}) {
    uint64_t done = 0;
    while (done < length) {
      const uint64_t at = guest_address + done;
      const auto holds = [&](const Slot& slot) {
        return at >= slot.guest_address && at - slot.guest_address < slot.pages * kPageSize;
      };
      const auto slot = std::find_if(slots_.begin(), slots_.end(), holds);
      if (at < guest_address || slot == slots_.end()) {
        return Error{Code::invalid_argument, "the guest has no memory at address " + std::to_string(at)};
      }
      const uint64_t offset = at - slot->guest_address;
      const uint64_t count = std::min(length - done, slot->pages * kPageSize - offset);
      if (!dry) copy(slot->data + offset, done, count);
      done += count;
    }
  }
  return success();
}

Status Slots::write(uint64_t guest_address, std::span<const uint8_t> bytes) const {
  return each_piece(guest_address, bytes.size(),
                    [&](uint8_t* at, uint64_t done, uint64_t count) { std::memcpy(at, bytes.data() + done, count); });
}

Status Slots::read(uint64_t guest_address, std::span<uint8_t> bytes) const {
  return each_piece(guest_address, bytes.size(), [&](const uint8_t* at, uint64_t done, uint64_t count) {
    std::memcpy(bytes.data() + done, at, count);
  });
}

}  // namespace drover::machine
