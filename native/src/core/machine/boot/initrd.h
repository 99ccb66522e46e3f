// Where an initrd goes.
#pragma once

#include "core/machine/boot/boot.h"

namespace drover::machine {

// Copies the initrd to the highest pages below `limit` and the 3 GiB hole, and returns its address; 0 where there is
// none. Error invalid_argument where it would reach below `kernel_end`.
Result<uint32_t> place_initrd(const Slots& slots, std::span<const uint8_t> initrd, uint64_t kernel_end, uint64_t limit);

}  // namespace drover::machine
