#include "core/transfer/peer_listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/transfer/resolve.h"

namespace drover {

namespace {

// How long a host name may take; an address takes no time.
constexpr int64_t kResolveMs = 2000;
constexpr int kBacklog = 128;
// Pause after the process ran out of descriptors, so that the full queue does not keep a processor busy.
constexpr int64_t kExhaustedPauseMs = 100;

Result<UniqueFd> listen_on(const SocketAddress& address, const std::string& where) {
  UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error("socket", "cannot listen on " + where);
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return errno_error("setsockopt SO_REUSEADDR", "cannot listen on " + where);
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) {
    return errno_error("bind", "cannot listen on " + where);
  }
  if (::listen(fd.get(), kBacklog) != 0) return errno_error("listen", "cannot listen on " + where);
  return fd;
}

Result<uint16_t> port_of(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return errno_error("getsockname", "cannot find the port in use");
  }
  const in_port_t port = address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                                       : reinterpret_cast<sockaddr_in&>(address).sin_port;
  return uint16_t{ntohs(port)};
}

}  // namespace

Result<std::unique_ptr<PeerListener>> PeerListener::open(ListenerOptions options) {
  auto cancel = CancelToken::create();
  if (!cancel) return cancel.error();
  auto addresses = resolve(options.host, options.port, deadline_in_ms(kResolveMs), *cancel.value());
  if (!addresses) return addresses.error();
  auto fd = listen_on(addresses.value().front(), options.host + " port " + std::to_string(options.port));
  if (!fd) return fd.error();
  auto port = port_of(fd.value().get());
  if (!port) return port.error();
  std::unique_ptr<PeerListener> listener(new PeerListener(std::move(options), fd.take(), port.value(), cancel.take()));
  listener->thread_ = std::thread([self = listener.get()] { self->run(); });
  return listener;
}

PeerListener::~PeerListener() { close(); }

void PeerListener::close() {
  cancel_->cancel();
  if (thread_.joinable()) thread_.join();
  fd_.reset();
}

void PeerListener::run() {
  std::vector<pollfd> waits;
  while (!cancel_->cancelled()) {
    const bool accepting = Clock::now() >= accept_again_;
    Deadline next = accepting ? kNoDeadline : accept_again_;
    waits.assign({{cancel_->fd(), POLLIN, 0}, {accepting ? fd_.get() : -1, POLLIN, 0}});
    for (const Pending& pending : pending_) {
      waits.push_back({pending.fd.get(), POLLIN, 0});
      next = std::min(next, pending.deadline);
    }
    // EINTR and the like: look again.
    if (::poll(waits.data(), waits.size(), poll_timeout(next)) < 0) continue;
    const Deadline now = Clock::now();
    // Backwards: what is done is replaced by the last one, which was looked at already.
    for (size_t index = pending_.size(); index-- > 0;) {
      if (waits[index + 2].revents != 0) {
        advance(index);
      } else if (now >= pending_[index].deadline) {
        std::swap(pending_[index], pending_.back());
        pending_.pop_back();
      }
    }
    if (waits[1].revents != 0) accept_all();
  }
  pending_.clear();
}

void PeerListener::accept_all() {
  for (int accepted = 0; accepted < kBacklog; accepted++) {
    UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) accept_again_ = deadline_in_ms(kExhaustedPauseMs);
      return;
    }
    if (pending_.size() >= options_.max_pending) continue;
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pending_.push_back({std::move(fd), deadline_in_ms(options_.handshake_timeout_ms), 0, kPreambleBytes, {}});
  }
}

PeerListener::Step PeerListener::read_more(Pending& pending) {
  const ssize_t received =
      ::recv(pending.fd.get(), &pending.bytes[pending.have], pending.want - pending.have, MSG_DONTWAIT);
  if (received < 0) return errno == EAGAIN || errno == EINTR ? Step::wait : Step::refuse;
  if (received == 0) return Step::refuse;
  pending.have += static_cast<size_t>(received);
  if (pending.have < pending.want) return Step::wait;
  Preamble preamble;
  if (decode_preamble(std::span(pending.bytes).first(kPreambleBytes), preamble) != Refusal::ok) return Step::refuse;
  if (preamble.role != Role::bulk) return Step::complete;
  if (pending.have == kPreambleBytes) {
    pending.want = kPreambleBytes + kBulkHelloBytes;
    return Step::wait;
  }
  BulkHello hello;
  const auto bytes = std::span(pending.bytes).subspan(kPreambleBytes);
  return decode_bulk_hello(bytes, hello) == Refusal::ok ? Step::complete : Step::refuse;
}

void PeerListener::advance(size_t index) {
  const Step step = read_more(pending_[index]);
  if (step == Step::wait) return;
  std::swap(pending_[index], pending_.back());
  Pending done = std::move(pending_.back());
  pending_.pop_back();
  if (step == Step::refuse) return;
  Handshake handshake{std::move(done.fd), {}, std::nullopt};
  std::copy_n(done.bytes.begin(), kPreambleBytes, handshake.preamble.begin());
  if (done.want > kPreambleBytes) {
    std::copy_n(done.bytes.begin() + kPreambleBytes, kBulkHelloBytes, handshake.hello.emplace().begin());
  }
  options_.on_connection(std::move(handshake));
}

}  // namespace drover
