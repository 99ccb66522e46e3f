// Write-protection of another process's memory through its userfaultfd. Each ioctl is wrapped once.
#pragma once

#include <cstdint>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace drover {

// Virtual addresses of the process that the descriptor belongs to; whole pages.
struct AddressRange {
  uint64_t start;
  uint64_t end;
};

class Userfault {
 public:
  explicit Userfault(UniqueFd fd) : fd_(std::move(fd)) {}

  // A userfaultfd of this process. Errors: permission, unsupported; the sentence says what to do.
  static Result<Userfault> of_this_process();

  // First call on a fresh descriptor. Error unsupported when the kernel lacks asynchronous write-protection.
  Status enable_tracking();
  // Error system_call with EBUSY while another descriptor still has the range.
  Status register_range(AddressRange range);
  // Arms every page of the range, populated or not. EAGAIN while the process changes its mappings.
  Status write_protect(AddressRange range);
  // Closing the last descriptor unregisters everything.
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
};

}  // namespace drover
