#include "core/transfer/zero_pages.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/transfer/wait.h"

namespace drover {

namespace {

// From this length on a punched hole is worth its system call and the unmapping in every process that has the memory.
constexpr uint64_t kPunchPages = 512;
// Pages between two looks at the CancelToken.
constexpr uint64_t kStepPages = 16384;

// Whether holes can be punched at any page: not where the descriptor has huge pages.
bool punchable(const Region& region) {
  struct stat status;
  return ::fstat(region.fd(), &status) == 0 && status.st_blksize == static_cast<blksize_t>(kPageSize);
}

Status zero_step(const Region& region, uint64_t from, uint64_t end) {
  const bool punch = (end - from) / kPageSize >= kPunchPages && punchable(region);
  for (uint64_t at = from; at < end; at += kPageSize) {
    const off_t found = ::lseek(region.fd(), static_cast<off_t>(region.file_offset() + at), SEEK_DATA);
    if (found < 0) {
      if (errno == ENXIO) return success();
      return errno_error("lseek SEEK_DATA", "cannot find the data of region " + region.id());
    }
    at = std::max(at, (static_cast<uint64_t>(found) - region.file_offset()) / kPageSize * kPageSize);
    if (at >= end) return success();
    if (punch && ::fallocate(region.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                             static_cast<off_t>(region.file_offset() + at), static_cast<off_t>(end - at)) == 0) {
      return success();
    }
    std::memset(region.data() + at, 0, kPageSize);
  }
  return success();
}

}  // namespace

Status zero_pages(const Region& region, uint64_t offset, uint64_t pages, const CancelToken& cancel) {
  const uint64_t end = offset + pages * kPageSize;
  for (uint64_t at = offset; at < end; at += kStepPages * kPageSize) {
    if (cancel.cancelled()) return cancelled_error();
    if (auto zeroed = zero_step(region, at, std::min(end, at + kStepPages * kPageSize)); !zeroed) return zeroed;
  }
  return success();
}

}  // namespace drover
