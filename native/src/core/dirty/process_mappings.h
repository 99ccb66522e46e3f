// Where a process maps the regions of guest memory, from /proc/PID/maps.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/memory/guest_memory.h"

namespace drover {

// One stretch of a process's address space through which it can write pages of one region.
struct Mapping {
  uint64_t start;  // virtual address
  uint64_t length;
  uint64_t first_page;  // the guest page at `start`
  bool operator==(const Mapping&) const = default;
};

// All shared, writable mappings of the regions' files in `maps` (the text of /proc/PID/maps), cut to the regions,
// neighbours joined (the kernel splits and joins areas as it likes), in address order. A file is known by device and
// inode, so a region may be mapped in several areas and more than once. Error invalid_argument when a page of a region
// is not mapped at all; system_call when a line cannot be read.
Result<std::vector<Mapping>> find_mappings(const GuestMemory& memory, const std::string& maps);

// The text of `maps` in the directory /proc/PID that `process` is open on. Error vmm_gone when the process is gone.
Result<std::string> read_maps(int process);

}  // namespace drover
