// PAGEMAP_SCAN: which pages of a process were written, re-armed in the same pass.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/base/result.h"
#include "core/dirty/userfault.h"
#include "core/dirty/write_tracking_uapi.h"

namespace drover {

class PagemapScan {
 public:
  // `fd` is /proc/PID/pagemap, which stays the caller's.
  explicit PagemapScan(int fd);

  // Calls `written` with every stretch of the range that was written since it was last armed, in order, and arms it
  // again. Any error means that the answer is unknown for good: the kernel may have re-armed pages that were not told.
  // Errors: unsupported (kernel before 6.7), vmm_gone, system_call, and whenever the kernel's answer makes no sense.
  Status collect(AddressRange range, const std::function<void(AddressRange)>& written);

 private:
  int fd_;
  std::vector<uapi::PageRegion> found_;
};

}  // namespace drover
