// Giving guest memory back without anybody waiting for it.
#pragma once

#include <memory>

#include "core/memory/guest_memory.h"

namespace drover {

// Lets go of `memory` on a thread of its own at the lowest priority. The last owner of a guest's memory frees every
// page of it, about 0.2 s for each GiB: neither the caller nor a guest that has just begun to run beside it should pay
// for that.
void release_quietly(std::shared_ptr<GuestMemory> memory);

}  // namespace drover
