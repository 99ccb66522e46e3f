#include "core/machine/boot/image_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/unique_fd.h"

namespace drover::machine {

namespace {

constexpr uint64_t kImageBytesMax = uint64_t{1} << 30;

}  // namespace

Result<std::vector<uint8_t>> read_image(const std::string& path) {
  // Without O_NONBLOCK a pipe of that name would be waited for.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return errno_error("open", path + " cannot be read");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return errno_error("fstat", path + " cannot be read");
  if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) > kImageBytesMax) {
    return Error{Code::invalid_argument, path + " is not a regular file of at most 1 GiB"};
  }
  std::vector<uint8_t> bytes(static_cast<size_t>(status.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read", path + " cannot be read");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace drover::machine
