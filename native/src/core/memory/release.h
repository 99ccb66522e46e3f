// Giving guest memory back without anybody waiting for it.
#pragma once

#include <cstdint>

#include "core/memory/guest_memory.h"

namespace drover {

// Ends `memory`; from kQuietBytes on, on a thread of its own at the lowest priority. Whoever lets go of a guest's
// memory last frees every page of it, about 0.2 s for each GiB: neither that thread nor a guest that has just begun to
// run beside it should pay for that.
void release_quietly(GuestMemory* memory);

inline constexpr uint64_t kQuietBytes = 64 << 20;

}  // namespace drover
