#include "core/machine/boot/initrd.h"

#include <algorithm>

namespace drover::machine {

Result<uint32_t> place_initrd(const Slots& slots, std::span<const uint8_t> initrd, uint64_t kernel_end,
                              uint64_t limit) {
  if (initrd.empty()) return uint32_t{0};
  const uint64_t top = std::min(slots.low_bytes(), limit);
  if (initrd.size() > top || (top - initrd.size()) / kPageSize * kPageSize < kernel_end) {
    return Error{Code::invalid_argument, "the initrd of " + std::to_string(initrd.size()) +
                                             " bytes does not fit between the kernel and address " +
                                             std::to_string(top) + "; give the guest more memory"};
  }
  const uint64_t address = (top - initrd.size()) / kPageSize * kPageSize;
  if (Status written = slots.write(address, initrd); !written) return written.error();
  return static_cast<uint32_t>(address);
}

}  // namespace drover::machine
