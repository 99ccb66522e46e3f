#include "core/storage/synced_write.h"

#include <unistd.h>

#include <cerrno>

namespace drover {

Status write_synced(int fd, std::span<const uint8_t> bytes, uint64_t position) {
  // A disk that fills up takes a part of a write and calls that a success; the error comes with the rest.
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("pwrite", "cannot write to the disk");
    if (written == 0) return Error{Code::system_call, "cannot write to the disk: it takes no bytes"};
    bytes = bytes.subspan(static_cast<size_t>(written));
    position += static_cast<uint64_t>(written);
  }
  return success();
}

}  // namespace drover
