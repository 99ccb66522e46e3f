// The agent's end of the shim protocol (packages/protocol/src/shim/SPEC.md): a fresh userfaultfd of the VMM on every
// connection.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace drover {

using Deadline = std::chrono::steady_clock::time_point;

// Sleeps until `deadline`, or until `fd` has one of `events`, or until `wake` is readable. Errors: timeout, cancelled.
Status wait_for(int fd, short events, int wake, Deadline deadline, const std::string& what);

// Connects to the shim at `path` in process `pid` and takes a userfaultfd. `wake` is an eventfd; readable means cancel.
// Errors: timeout, cancelled, permission or system_call (what the VMM's kernel answered), invalid_argument (the socket
// belongs to another process), connection_lost.
Result<UniqueFd> take_userfault(const std::string& path, pid_t pid, int wake, Deadline deadline);

}  // namespace drover
