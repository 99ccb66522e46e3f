// A kernel or initrd, read from its file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace drover::machine {

// All bytes of a regular file. Errors: invalid_argument (not a regular file, or of more than 1 GiB), permission,
// system_call.
Result<std::vector<uint8_t>> read_image(const std::string& path);

}  // namespace drover::machine
