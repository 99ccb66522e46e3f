// Where a region has data, found with SEEK_DATA and SEEK_HOLE: no hole is touched.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/result.h"
#include "core/memory/guest_memory.h"

namespace drover {

// Bytes into a region; whole pages.
struct Extent {
  uint64_t offset;
  uint64_t length;
  bool operator==(const Extent&) const = default;
};

// Walks the data extents of [offset, offset + length) of one region, in order, cut to that range. What becomes data
// while the walk runs may be missed: a tracker that was started before reports it. The region must outlive the cursor.
class ExtentCursor {
 public:
  // The range is rounded out to whole pages and cut to the region.
  ExtentCursor(const Region& region, uint64_t offset, uint64_t length);
  // The next extent; none at the end.
  Result<std::optional<Extent>> next();

 private:
  const Region& region_;
  uint64_t at_;
  uint64_t end_;
};

// All data extents of a region, neighbours closer than `merge` bytes joined; at most `limit` (at least 1) of them, the
// last then reaching to the end of the data.
Result<std::vector<Extent>> data_extents(const Region& region, uint64_t merge, size_t limit);

}  // namespace drover
