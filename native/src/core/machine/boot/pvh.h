// ELF kernels with a PVH entry.
#pragma once

#include "core/machine/boot/boot.h"

namespace drover::machine {

bool is_elf(std::span<const uint8_t> image);

// See load_kernel. The segments go to their physical addresses, the initrd to the top of the memory below 3 GiB.
Result<Entry> load_pvh(const Slots& slots, const Kernel& kernel);

}  // namespace drover::machine
