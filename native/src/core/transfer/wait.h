// Waiting for a descriptor: always bounded by a deadline or by cancelling.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/base/result.h"
#include "core/transfer/cancel.h"

namespace drover {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

// Only where cancelling is the end that is wanted: an idle channel, a VMM that has not begun.
inline constexpr Deadline kNoDeadline = Deadline::max();

inline Deadline deadline_in_ms(int64_t ms) { return Clock::now() + std::chrono::milliseconds(ms); }

// Waits until `fd` is ready for `events` (POLLIN, POLLOUT) or has an error. `what` is a sentence for the error.
// Errors: timeout, cancelled.
Status wait_ready(int fd, short events, Deadline deadline, const CancelToken& cancel, const char* what);

inline Error cancelled_error() { return Error{Code::cancelled, "the transfer was cancelled"}; }

// Milliseconds until the deadline for poll(), rounded up so that nobody spins before it; -1 without one.
int poll_timeout(Deadline deadline);

}  // namespace drover
