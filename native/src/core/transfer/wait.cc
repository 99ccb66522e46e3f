#include "core/transfer/wait.h"

#include <poll.h>

#include <algorithm>

namespace drover {

int poll_timeout(Deadline deadline) {
  if (deadline == kNoDeadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30));
}

Status wait_ready(int fd, short events, Deadline deadline, const CancelToken& cancel, const char* what) {
  pollfd waits[2] = {{fd, events, 0}, {cancel.fd(), POLLIN, 0}};
  for (;;) {
    const int ready = ::poll(waits, 2, poll_timeout(deadline));
    if (cancel.cancelled()) return cancelled_error();
    if (ready < 0 && errno != EINTR) return errno_error("poll", "cannot wait for a connection");
    if (ready > 0 && waits[0].revents != 0) return success();
    if (ready == 0 && Clock::now() >= deadline) return Error{Code::timeout, what};
  }
}

}  // namespace drover
