// Linux bzImages, by the 32-bit boot protocol.
#pragma once

#include "core/machine/boot/boot.h"

namespace drover::machine {

bool is_bzimage(std::span<const uint8_t> image);

// See load_kernel. The protected-mode kernel goes to 1 MiB, the initrd as high as the header allows.
Result<Entry> load_bzimage(const Slots& slots, const Kernel& kernel);

}  // namespace drover::machine
