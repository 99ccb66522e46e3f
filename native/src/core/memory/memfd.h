// Anonymous shared memory for a guest.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace drover {

// A memfd of `size` bytes, close-on-exec, sealed against shrinking: whoever holds a copy of the descriptor cannot make
// the agent's mapping of it raise SIGBUS. `name` shows in /proc, at most 249 bytes. Errors: invalid_argument,
// system_call.
Result<UniqueFd> create_memfd(const std::string& name, uint64_t size);

// Exclusive advisory lock (flock) without waiting. False when another open file holds it.
Result<bool> try_lock(int fd);

}  // namespace drover
