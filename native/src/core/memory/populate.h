// Allocating guest memory ahead of the bytes: a first touch of 4 KiB is the largest single cost of receiving a page.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "core/base/result.h"
#include "core/memory/guest_memory.h"

namespace drover {

struct PopulateRange {
  size_t region;
  uint64_t offset;  // bytes, whole pages
  uint64_t length;  // bytes, whole pages
};

// Populates the ranges for writing, 2 MiB at a step; contents do not change. Returns the pages populated, fewer when
// `cancel` was set, looked at before each step. Errors: invalid_argument (nothing done), unsupported (kernel
// before 5.14), system_call (ENOMEM, EFAULT: no memory or huge page left; what was done stays).
Result<uint64_t> populate(const GuestMemory& memory, std::span<const PopulateRange> ranges,
                          const std::atomic<bool>& cancel);

}  // namespace drover
