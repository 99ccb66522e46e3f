// Makes stretches of the destination's memory read as zero.
#pragma once

#include <cstdint>

#include "core/memory/guest_memory.h"
#include "core/transfer/cancel.h"

namespace drover {

// After it, [offset, offset + pages × 4096) of the region reads as zero in every mapping. Holes are left alone; large
// runs of data are given back to the system, small ones overwritten. Prerequisite: the run is inside the region.
// Errors: cancelled, system_call.
Status zero_pages(const Region& region, uint64_t offset, uint64_t pages, const CancelToken& cancel);

}  // namespace drover
