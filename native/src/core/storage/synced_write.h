// Writing what must be on the disk before anybody acts on it.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/result.h"

namespace drover {

// Writes all of `bytes` at `position`, waiting as long as the disk takes. On the disk afterwards where `fd` was opened
// with O_DSYNC. A failure leaves open how much of it was written.
Status write_synced(int fd, std::span<const uint8_t> bytes, uint64_t position);

}  // namespace drover
