#include "core/transfer/connect.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <optional>

#include "core/transfer/resolve.h"

namespace drover {

namespace {

Error not_connected(const std::string& where, int error_number) {
  errno = error_number;
  Error error = errno_error("connect", "cannot connect to " + where);
  error.code = error_number == ETIMEDOUT ? Code::timeout : Code::connection_lost;
  return error;
}

Result<UniqueFd> connect_address(const sockaddr* address, socklen_t length, const std::string& where, Deadline deadline,
                                 const CancelToken& cancel) {
  UniqueFd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error("socket", "cannot make a socket for " + where);
  if (::connect(fd.get(), address, length) == 0) return fd;
  if (errno != EINPROGRESS) return not_connected(where, errno);
  if (auto ready = wait_ready(fd.get(), POLLOUT, deadline, cancel, "no answer to the connection attempt in time");
      !ready) {
    ready.error().message += " (" + where + ")";
    return ready.error();
  }
  int error_number = 0;
  socklen_t size = sizeof error_number;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error_number, &size) != 0) error_number = errno;
  if (error_number != 0) return not_connected(where, error_number);
  return fd;
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos) {
    return Error{Code::invalid_argument, "the path of a unix socket must have 1 to 107 bytes: " + path};
  }
  path.copy(address.sun_path, path.size());
  return address;
}

}  // namespace

Result<UniqueFd> connect_tcp(const std::string& host, uint16_t port, Deadline deadline, const CancelToken& cancel) {
  const std::string where = host + " port " + std::to_string(port);
  auto addresses = resolve(host, port, deadline, cancel);
  if (!addresses) return addresses.error();
  std::optional<Error> last;
  for (const SocketAddress& address : addresses.value()) {
    auto fd =
        connect_address(reinterpret_cast<const sockaddr*>(&address.storage), address.length, where, deadline, cancel);
    if (fd || fd.error().code == Code::cancelled) return fd;
    last = fd.error();
  }
  return last.value_or(Error{Code::invalid_argument, "no address for " + where});
}

Result<UniqueFd> connect_unix(const std::string& path, Deadline deadline, const CancelToken& cancel) {
  auto address = unix_address(path);
  if (!address) return address.error();
  return connect_address(reinterpret_cast<const sockaddr*>(&address.value()), sizeof(sockaddr_un), path, deadline,
                         cancel);
}

Result<UniqueFd> listen_unix(const std::string& path) {
  auto address = unix_address(path);
  if (!address) return address.error();
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error("socket", "cannot make the socket " + path);
  // Before bind(): the file takes its mode from the socket, so there is no moment at which others may connect.
  if (::fchmod(fd.get(), 0600) != 0) return errno_error("fchmod", "cannot protect the socket " + path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.value()), sizeof(sockaddr_un)) != 0) {
    return errno_error("bind", "cannot make the socket " + path);
  }
  if (::listen(fd.get(), 1) != 0) {
    Error error = errno_error("listen", "cannot listen on the socket " + path);
    ::unlink(path.c_str());
    return error;
  }
  return fd;
}

}  // namespace drover
