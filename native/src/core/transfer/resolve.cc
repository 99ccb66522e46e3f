#include "core/transfer/resolve.h"

#include <netdb.h>
#include <poll.h>

#include <cstring>
#include <mutex>
#include <thread>

#include "core/base/unique_fd.h"

namespace drover {

namespace {

Result<std::vector<SocketAddress>> look_up(const std::string& host, uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (code != 0) {
    return Error{Code::invalid_argument, "no address for the host \"" + host + "\": " + ::gai_strerror(code)};
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    SocketAddress address{};
    address.length = at->ai_addrlen;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    addresses.push_back(address);
  }
  ::freeaddrinfo(list);
  return addresses;
}

// A look-up under way; shared with its thread, which may outlive the wait.
struct LookUp {
  std::mutex mutex;
  Result<std::vector<SocketAddress>> answer = Error{Code::closed, "the look-up has not ended"};
  std::shared_ptr<CancelToken> done;  // its descriptor is readable once the answer is there
};

}  // namespace

Result<std::vector<SocketAddress>> resolve_numeric(const std::string& host, uint16_t port) {
  return look_up(host, port, AI_NUMERICHOST);
}

Result<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port, Deadline deadline,
                                           const CancelToken& cancel) {
  if (auto numeric = resolve_numeric(host, port); numeric) return numeric;
  auto done = CancelToken::create();
  if (!done) return done.error();
  auto look = std::make_shared<LookUp>();
  look->done = done.take();
  // getaddrinfo() knows neither deadline nor cancelling: it gets a thread of its own, which is left behind when it
  // takes too long and ends with the resolver's own time-out.
  std::thread([look, host, port] {
    auto answer = look_up(host, port, 0);
    {
      std::lock_guard lock(look->mutex);
      look->answer = std::move(answer);
    }
    look->done->cancel();
  }).detach();
  const std::string what = "the look-up of the host \"" + host + "\" took too long";
  if (auto ready = wait_ready(look->done->fd(), POLLIN, deadline, cancel, what.c_str()); !ready) return ready.error();
  std::lock_guard lock(look->mutex);
  return look->answer;
}

}  // namespace drover
