#include "core/transfer/stream.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>

namespace drover {

namespace {

// An idle channel asks this often whether its peer is still there, and gives up after that many lost answers.
constexpr int kKeepaliveSeconds = 5;
constexpr int kKeepaliveProbes = 4;

Error broken(const char* syscall) {
  Error error = errno_error(syscall, "the connection to the peer broke");
  error.code = error.error_number == ETIMEDOUT ? Code::timeout : Code::connection_lost;
  return error;
}

void drop_front(std::span<iovec>& parts, size_t bytes) {
  while (!parts.empty() && bytes >= parts.front().iov_len) {
    bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (parts.empty()) return;
  parts.front().iov_base = static_cast<uint8_t*>(parts.front().iov_base) + bytes;
  parts.front().iov_len -= bytes;
}

Status set_tcp_options(int fd, int64_t stall_ms) {
  const struct {
    int level, name, value;
    const char* syscall;
  } options[] = {
      {IPPROTO_TCP, TCP_NODELAY, 1, "setsockopt TCP_NODELAY"},
      {SOL_SOCKET, SO_KEEPALIVE, 1, "setsockopt SO_KEEPALIVE"},
      {IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveSeconds, "setsockopt TCP_KEEPIDLE"},
      {IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveSeconds, "setsockopt TCP_KEEPINTVL"},
      {IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes, "setsockopt TCP_KEEPCNT"},
      {IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::min<int64_t>(stall_ms, INT32_MAX)),
       "setsockopt TCP_USER_TIMEOUT"},
  };
  for (const auto& option : options) {
    if (::setsockopt(fd, option.level, option.name, &option.value, sizeof option.value) != 0) {
      return errno_error(option.syscall, "cannot prepare the connection to the peer");
    }
  }
  return success();
}

}  // namespace

Result<Stream> Stream::adopt(UniqueFd fd, int64_t stall_ms, const CancelToken& cancel) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
    return errno_error("fcntl", "cannot prepare the connection to the peer");
  }
  int domain = 0;
  socklen_t size = sizeof domain;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) {
    return errno_error("getsockopt SO_DOMAIN", "the connection to the peer is no socket");
  }
  if (domain == AF_INET || domain == AF_INET6) {
    if (auto set = set_tcp_options(fd.get(), stall_ms); !set) return set.error();
  }
  return Stream(std::move(fd), stall_ms, cancel);
}

Status Stream::send(std::span<iovec> parts, Deadline deadline, Push push) {
  const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (push == Push::with_what_follows ? MSG_MORE : 0);
  Deadline stalled = deadline_in_ms(stall_ms_);
  drop_front(parts, 0);
  while (!parts.empty()) {
    if (cancel_->cancelled()) return cancelled_error();
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(fd_.get(), &message, flags);
    if (sent >= 0) {
      drop_front(parts, static_cast<size_t>(sent));
      stalled = deadline_in_ms(stall_ms_);
    } else if (errno == EAGAIN) {
      auto ready = wait_ready(fd_.get(), POLLOUT, std::min(stalled, deadline), *cancel_,
                              "the peer took no data for the stall time");
      if (!ready) return ready;
    } else if (errno != EINTR) {
      return broken("sendmsg");
    }
  }
  return success();
}

Status Stream::send(std::span<const uint8_t> bytes, Deadline deadline) {
  iovec part{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  return send(std::span(&part, 1), deadline);
}

Error Stream::ended_error() {
  return Error{Code::connection_lost, "the peer closed the connection in the middle of a message"};
}

Result<size_t> Stream::receive_some(std::span<uint8_t> into, Deadline deadline) {
  for (;;) {
    if (cancel_->cancelled()) return cancelled_error();
    const ssize_t received = ::recv(fd_.get(), into.data(), into.size(), MSG_DONTWAIT);
    if (received >= 0) return static_cast<size_t>(received);
    if (errno == EAGAIN) {
      auto ready = wait_ready(fd_.get(), POLLIN, deadline, *cancel_, "the peer sent no data for the stall time");
      if (!ready) return ready.error();
    } else if (errno != EINTR) {
      return broken("recv");
    }
  }
}

Status Stream::receive(std::span<uint8_t> into) {
  while (!into.empty()) {
    auto received = receive_some(into, stall_deadline());
    if (!received) return received.error();
    if (received.value() == 0) return ended_error();
    into = into.subspan(received.value());
  }
  return success();
}

Result<bool> Stream::receive_unless_ended(std::span<uint8_t> into, Deadline first_byte) {
  auto received = receive_some(into, first_byte);
  if (!received) return received.error();
  if (received.value() == 0) return false;
  if (auto rest = receive(into.subspan(received.value())); !rest) return rest.error();
  return true;
}

Status Stream::wait_for_answer() {
  Deadline deadline = deadline_in_ms(stall_ms_);
  int unsent_before = -1;
  for (;;) {
    const Deadline step = std::min(deadline, deadline_in_ms(std::max<int64_t>(1, stall_ms_ / 8)));
    auto ready = wait_ready(fd_.get(), POLLIN, step, *cancel_, "the peer gave no answer for the stall time");
    if (ready || ready.error().code != Code::timeout) return ready;
    int unsent = 0;
    if (::ioctl(fd_.get(), SIOCOUTQ, &unsent) != 0)
      return errno_error("ioctl SIOCOUTQ", "cannot look at the connection");
    if (unsent != unsent_before) {
      // Also the first look counts as movement: it costs one step more, never a wrong end.
      unsent_before = unsent;
      deadline = deadline_in_ms(stall_ms_);
    } else if (Clock::now() >= deadline) {
      return ready;
    }
  }
}

void Stream::shut_down() { ::shutdown(fd_.get(), SHUT_RDWR); }

}  // namespace drover
