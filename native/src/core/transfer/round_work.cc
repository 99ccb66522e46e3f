#include "core/transfer/round_work.h"

#include <algorithm>

namespace drover {

void DirtyPass::take(std::vector<PageRun>& into) {
  into.clear();
  std::lock_guard lock(mutex_);
  for (uint64_t room = kPiecePages; room > 0;) {
    if (rest_.count == 0) {
      const auto run = pages_.next_run(rest_.first);
      if (!run) return;
      rest_ = *run;
    }
    const uint64_t count = std::min(rest_.count, room);
    into.push_back({rest_.first, count});
    rest_ = {rest_.first + count, rest_.count - count};
    room -= count;
  }
}

std::optional<RegionRun> RegionRuns::next() {
  if (left_.count == 0) return std::nullopt;
  const PageLocation at = memory_.locate(left_.first);
  const Region& region = memory_.region(at.region);
  const uint64_t pages = std::min(left_.count, region.first_page() + region.pages() - left_.first);
  left_ = {left_.first + pages, left_.count - pages};
  return RegionRun{static_cast<uint16_t>(at.region), at.offset, pages};
}

}  // namespace drover
