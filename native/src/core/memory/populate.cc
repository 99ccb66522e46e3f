#include "core/memory/populate.h"

#include <sys/mman.h>

#include <algorithm>

// Linux 5.14, include/uapi/asm-generic/mman-common.h.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace drover {

namespace {

constexpr uint64_t kStepBytes = 2 << 20;

Status check(const GuestMemory& memory, const PopulateRange& range) {
  if (range.region >= memory.region_count()) {
    return Error{Code::invalid_argument, "there is no region " + std::to_string(range.region) + " to populate"};
  }
  const Region& region = memory.region(range.region);
  if (range.offset % kPageSize != 0 || range.length % kPageSize != 0 || range.offset > region.size() ||
      range.length > region.size() - range.offset) {
    return Error{Code::invalid_argument,
                 "the range to populate is not a range of whole pages inside region \"" + region.id() + "\""};
  }
  return success();
}

Status populate_step(const Region& region, uint64_t offset, uint64_t length) {
  while (madvise(region.data() + offset, length, MADV_POPULATE_WRITE) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL) {
      return Error{Code::unsupported,
                   "this kernel cannot populate memory ahead (MADV_POPULATE_WRITE): use Linux 5.14 or newer", EINVAL,
                   "madvise(MADV_POPULATE_WRITE)"};
    }
    return errno_error("madvise(MADV_POPULATE_WRITE)",
                       "guest memory region \"" + region.id() + "\" could not be populated");
  }
  return success();
}

}  // namespace

Result<uint64_t> populate(const GuestMemory& memory, std::span<const PopulateRange> ranges,
                          const std::atomic<bool>& cancel) {
  for (const PopulateRange& range : ranges) {
    if (Status checked = check(memory, range); !checked) return checked.error();
  }
  uint64_t pages = 0;
  for (const PopulateRange& range : ranges) {
    const uint64_t end = range.offset + range.length;
    for (uint64_t at = range.offset; at < end;) {
      if (cancel.load()) return pages;
      // Steps end on 2 MiB borders, so that a huge page is never asked for in two halves.
      const uint64_t length = std::min(end, (at / kStepBytes + 1) * kStepBytes) - at;
      if (Status done = populate_step(memory.region(range.region), at, length); !done) return done.error();
      pages += length / kPageSize;
      at += length;
    }
  }
  return pages;
}

}  // namespace drover
