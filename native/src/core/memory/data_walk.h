// One walk over everything that holds data, shared by several threads.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "core/memory/extents.h"
#include "core/memory/guest_memory.h"

namespace drover {

// Pages that lie side by side in one region.
struct RegionRun {
  uint16_t region;
  uint64_t offset;  // bytes into the region
  uint64_t pages;
};

// Hands out all data in pieces: whoever is free takes the next.
//
// One walk serves all threads because a single SEEK_HOLE visits every page up to the next hole (7 ms for each GiB that
// is there): asked per piece, a pass would cost the square of the memory's size.
class DataWalk {
 public:
  // `piece_pages`: pages in one piece at most.
  DataWalk(const GuestMemory& memory, uint64_t piece_pages) : memory_(memory), piece_pages_(piece_pages) {}
  // The next piece, none at the end.
  Result<std::optional<RegionRun>> take();

 private:
  const GuestMemory& memory_;
  const uint64_t piece_pages_;
  std::mutex mutex_;
  size_t region_ = 0;
  std::optional<ExtentCursor> cursor_;
  Extent rest_{0, 0};
};

}  // namespace drover
