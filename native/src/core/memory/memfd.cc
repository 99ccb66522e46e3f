#include "core/memory/memfd.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>

#include <limits>

// Linux 6.3, include/uapi/linux/memfd.h.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace drover {

Result<UniqueFd> create_memfd(const std::string& name, uint64_t size) {
  if (name.size() > 249 || name.find('\0') != std::string::npos) {
    return Error{Code::invalid_argument, "the name of a memfd must be at most 249 bytes without a zero"};
  }
  if (size > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    return Error{Code::invalid_argument, "a memfd cannot hold " + std::to_string(size) + " bytes"};
  }
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // Hosts with vm.memfd_noexec=2 allow nothing but MFD_NOEXEC_SEAL; older kernels do not know it.
  UniqueFd fd(memfd_create(name.c_str(), kFlags | MFD_NOEXEC_SEAL));
  if (!fd.valid() && errno == EINVAL) fd = UniqueFd(memfd_create(name.c_str(), kFlags));
  if (!fd.valid()) return errno_error("memfd_create", "no shared memory \"" + name + "\"");
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return errno_error("ftruncate", "no shared memory of " + std::to_string(size) + " bytes");
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    return errno_error("fcntl(F_ADD_SEALS)", "shared memory \"" + name + "\"");
  }
  return fd;
}

Result<bool> try_lock(int fd) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) return errno_error("flock", "the lock could not be taken");
  }
  return true;
}

}  // namespace drover
