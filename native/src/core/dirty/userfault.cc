#include "core/dirty/userfault.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "core/dirty/write_tracking_uapi.h"

namespace drover {

Result<Userfault> Userfault::of_this_process() {
  UniqueFd fd(static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  if (fd.valid()) return Userfault(std::move(fd));
  if (errno == EPERM) {
    return Error{Code::permission,
                 "userfaultfd is not permitted here: run as root or set vm.unprivileged_userfaultfd=1", EPERM,
                 "userfaultfd"};
  }
  if (errno == ENOSYS) {
    return Error{Code::unsupported, "this kernel has no userfaultfd: use one built with CONFIG_USERFAULTFD", ENOSYS,
                 "userfaultfd"};
  }
  return errno_error("userfaultfd", "no userfaultfd");
}

Status Userfault::enable_tracking() {
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = uapi::kTrackingFeatures;
  if (ioctl(fd_.get(), UFFDIO_API, &api) == 0) return success();
  if (errno == EINVAL) {
    return Error{Code::unsupported,
                 "this kernel cannot write-protect shared memory asynchronously: use Linux 6.7 or newer built with "
                 "CONFIG_PTE_MARKER_UFFD_WP",
                 EINVAL, "ioctl(UFFDIO_API)"};
  }
  return errno_error("ioctl(UFFDIO_API)", "dirty tracking cannot start");
}

Status Userfault::register_range(AddressRange range) {
  uffdio_register request{};
  request.range = {range.start, range.end - range.start};
  request.mode = UFFDIO_REGISTER_MODE_WP;
  if (ioctl(fd_.get(), UFFDIO_REGISTER, &request) == 0) return success();
  return errno_error("ioctl(UFFDIO_REGISTER)", "guest memory cannot be tracked");
}

Status Userfault::write_protect(AddressRange range) {
  uffdio_writeprotect request{};
  request.range = {range.start, range.end - range.start};
  request.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  if (ioctl(fd_.get(), UFFDIO_WRITEPROTECT, &request) == 0) return success();
  return errno_error("ioctl(UFFDIO_WRITEPROTECT)", "guest memory cannot be write-protected");
}

}  // namespace drover
