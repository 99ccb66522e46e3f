#include "core/dirty/pagemap_scan.h"

namespace drover {

namespace {

// Stretches that one call can return; 384 KiB. More of them only means more calls.
constexpr size_t kFoundLimit = 16384;
constexpr uint64_t kPageMask = 4095;

Error nonsense(const char* what) {
  return Error{Code::system_call, std::string("PAGEMAP_SCAN gave an answer that makes no sense: ") + what, 0,
               "ioctl(PAGEMAP_SCAN)"};
}

}  // namespace

PagemapScan::PagemapScan(int fd) : fd_(fd), found_(kFoundLimit) {}

Status PagemapScan::collect(AddressRange range, const std::function<void(AddressRange)>& written) {
  uint64_t at = range.start;
  while (at < range.end) {
    uapi::PagemapScanArgument argument{};
    argument.size = sizeof argument;
    argument.flags = uapi::kScanWriteProtectMatching | uapi::kScanCheckWriteAsync;
    argument.start = at;
    argument.end = range.end;
    argument.vec = reinterpret_cast<uintptr_t>(found_.data());
    argument.vec_len = found_.size();
    // Only these masks are right on kernels without commits 40de8160ca7f and 07b4377bdbe7 (2026): with others,
    // page-table holes and unpopulated entries are not reported.
    argument.category_mask = uapi::kPageIsWritten;
    argument.return_mask = uapi::kPageIsWritten;
    const int count = ioctl(fd_, uapi::kPagemapScan, &argument);
    if (count < 0 && errno == ENOTTY) {
      return Error{Code::unsupported, "this kernel has no PAGEMAP_SCAN: use Linux 6.7 or newer", ENOTTY,
                   "ioctl(PAGEMAP_SCAN)"};
    }
    if (count < 0 && errno == ESRCH) {
      return Error{Code::vmm_gone, "the VMM's process is gone", ESRCH, "ioctl(PAGEMAP_SCAN)"};
    }
    if (count < 0) return errno_error("ioctl(PAGEMAP_SCAN)", "written pages cannot be collected");
    if (static_cast<size_t>(count) > found_.size()) return nonsense("more stretches than there is room for");
    if (argument.walk_end <= at || argument.walk_end > range.end || (argument.walk_end & kPageMask) != 0) {
      return nonsense("the walk made no progress");
    }
    if (argument.walk_end < range.end && count == 0) return nonsense("the walk stopped early");
    uint64_t after = at;
    for (int index = 0; index < count; ++index) {
      const uapi::PageRegion& region = found_[static_cast<size_t>(index)];
      if (region.start < after || region.end <= region.start || region.end > range.end ||
          ((region.start | region.end) & kPageMask) != 0) {
        return nonsense("a stretch lies outside the range");
      }
      written({region.start, region.end});
      after = region.end;
    }
    at = argument.walk_end;
  }
  return success();
}

}  // namespace drover
