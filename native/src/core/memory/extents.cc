#include "core/memory/extents.h"

#include <unistd.h>

#include <algorithm>

namespace drover {

namespace {

constexpr uint64_t page_floor(uint64_t value) { return value & ~(kPageSize - 1); }
constexpr uint64_t page_ceiling(uint64_t value) { return page_floor(value + kPageSize - 1); }

}  // namespace

ExtentCursor::ExtentCursor(const Region& region, uint64_t offset, uint64_t length) : region_(region) {
  const uint64_t size = region.size();
  offset = std::min(offset, size);
  at_ = page_floor(offset);
  end_ = page_ceiling(offset + std::min(length, size - offset));
}

Result<std::optional<Extent>> ExtentCursor::next() {
  // lseek moves the descriptor's shared position too; nothing reads or writes guest memory by position.
  while (at_ < end_) {
    const off_t data = lseek(region_.fd(), static_cast<off_t>(region_.file_offset() + at_), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // only a hole up to the end of the file
    if (data < 0) return errno_error("lseek(SEEK_DATA)", "guest memory region \"" + region_.id() + "\"");
    const uint64_t start = std::max(at_, page_floor(static_cast<uint64_t>(data) - region_.file_offset()));
    if (start >= end_) break;
    const off_t hole = lseek(region_.fd(), static_cast<off_t>(region_.file_offset() + start), SEEK_HOLE);
    if (hole < 0) return errno_error("lseek(SEEK_HOLE)", "guest memory region \"" + region_.id() + "\"");
    const uint64_t stop = std::min(end_, page_ceiling(static_cast<uint64_t>(hole) - region_.file_offset()));
    // A hole punched between the two calls: look again further on.
    at_ = std::max(stop, start + kPageSize);
    if (stop > start) return std::optional<Extent>(Extent{start, stop - start});
  }
  at_ = end_;
  return std::optional<Extent>();
}

Result<std::vector<Extent>> data_extents(const Region& region, uint64_t merge, size_t limit) {
  std::vector<Extent> extents;
  ExtentCursor cursor(region, 0, region.size());
  while (true) {
    auto next = cursor.next();
    if (!next) return next.error();
    if (!next.value()) return extents;
    const Extent extent = *next.value();
    if (!extents.empty()) {
      Extent& last = extents.back();
      const uint64_t gap = extent.offset - (last.offset + last.length);
      if (gap < merge || gap == 0 || extents.size() >= limit) {
        last.length = extent.offset + extent.length - last.offset;
        continue;
      }
    }
    extents.push_back(extent);
  }
}

}  // namespace drover
