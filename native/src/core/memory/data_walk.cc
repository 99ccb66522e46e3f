#include "core/memory/data_walk.h"

#include <algorithm>

namespace drover {

Result<std::optional<RegionRun>> DataWalk::take() {
  std::lock_guard lock(mutex_);
  while (rest_.length == 0) {
    if (region_ == memory_.region_count()) return std::optional<RegionRun>();
    if (!cursor_) cursor_.emplace(memory_.region(region_), 0, memory_.region(region_).size());
    auto extent = cursor_->next();
    if (!extent) return extent.error();
    if (extent.value()) {
      rest_ = *extent.value();
    } else {
      cursor_.reset();
      region_++;
    }
  }
  const uint64_t pages = std::min(rest_.length / kPageSize, piece_pages_);
  const RegionRun piece{static_cast<uint16_t>(region_), rest_.offset, pages};
  rest_.offset += pages * kPageSize;
  rest_.length -= pages * kPageSize;
  return std::optional(piece);
}

}  // namespace drover
