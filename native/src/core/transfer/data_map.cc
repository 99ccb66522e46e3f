#include "core/transfer/data_map.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace drover {

Result<uint64_t> DataMap::hole_bytes(size_t region_index, uint64_t offset, uint64_t end) {
  if (known_.test(memory_.page_number(region_index, offset))) return uint64_t{0};
  const Region& region = memory_.region(region_index);
  const off_t found = ::lseek(region.fd(), static_cast<off_t>(region.file_offset() + offset), SEEK_DATA);
  if (found < 0) {
    if (errno == ENXIO) return end - offset;
    return errno_error("lseek SEEK_DATA", "cannot find the data of region " + region.id());
  }
  const uint64_t data = static_cast<uint64_t>(found) - region.file_offset();
  const uint64_t hole = std::min(data, end) - offset;
  if (hole == 0) note(region_index, offset, 1);
  return hole / kPageSize * kPageSize;
}

}  // namespace drover
