#include "core/dirty/shim_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace drover {

namespace {

constexpr char kSuccess = 'U';
constexpr auto kRetryPause = std::chrono::milliseconds(5);

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos) {
    return Error{Code::invalid_argument, "the shim's socket path must be 1 to 107 bytes long: " + path};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<UniqueFd> connect_to(const std::string& path, int wake, Deadline deadline) {
  auto address = address_of(path);
  if (!address) return address.error();
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error("socket", "the shim's socket " + path);
  while (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.value()), sizeof(sockaddr_un)) != 0) {
    // A unix socket whose queue is full does not become writable; trying again is the only way.
    if (errno != EAGAIN && errno != EINTR) return errno_error("connect", "the shim does not answer at " + path);
    const auto retry = std::min(deadline, std::chrono::steady_clock::now() + kRetryPause);
    Status waited = wait_for(-1, 0, wake, retry, "the shim's queue at " + path + " is full");
    if (waited.error().code == Code::cancelled || std::chrono::steady_clock::now() >= deadline) return waited.error();
  }
  return fd;
}

// The kernel fills in who listens, so the address space that is about to be tracked is the right one.
Status check_peer(int fd, pid_t pid) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return errno_error("getsockopt(SO_PEERCRED)", "the shim's process");
  }
  if (peer.pid == pid) return success();
  return Error{Code::invalid_argument, "the shim's socket belongs to process " + std::to_string(peer.pid) +
                                           ", not to the VMM's process " + std::to_string(pid)};
}

}  // namespace

Status wait_for(int fd, short events, int wake, Deadline deadline, const std::string& what) {
  while (true) {
    const auto left = deadline - std::chrono::steady_clock::now();
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    // poll ignores an entry whose descriptor is negative.
    pollfd entries[] = {{fd, events, 0}, {wake, POLLIN, 0}};
    const int ready = poll(entries, 2, static_cast<int>(std::clamp<long long>(ms, 0, 1'000'000)));
    if (ready < 0 && errno != EINTR) return errno_error("poll", what);
    if (ready > 0 && entries[1].revents != 0) return Error{Code::cancelled, what + ": cancelled"};
    if (ready > 0) return success();
    if (ready == 0 && ms <= 1'000'000 && std::chrono::steady_clock::now() >= deadline) {
      return Error{Code::timeout, what + ": no answer in time"};
    }
  }
}

Result<UniqueFd> take_userfault(const std::string& path, pid_t pid, int wake, Deadline deadline) {
  auto socket = connect_to(path, wake, deadline);
  if (!socket) return socket.error();
  const int fd = socket.value().get();
  if (Status checked = check_peer(fd, pid); !checked) return checked.error();
  if (Status ready = wait_for(fd, POLLIN, wake, deadline, "the shim at " + path); !ready) return ready.error();

  char answer = 0;
  iovec data{&answer, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (length < 0) return errno_error("recvmsg", "the shim at " + path);
  UniqueFd received;
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr && header->cmsg_level == SOL_SOCKET &&
                                                       header->cmsg_type == SCM_RIGHTS &&
                                                       header->cmsg_len == CMSG_LEN(sizeof(int))) {
    int handed = -1;
    std::memcpy(&handed, CMSG_DATA(header), sizeof handed);
    received = UniqueFd(handed);
  }
  if (length == 0) {
    return Error{Code::connection_lost,
                 "the shim at " + path + " closed without an answer: the agent must run as root or as the VMM's user"};
  }
  if (received.valid() && answer == kSuccess) return received;
  if (received.valid() || answer == kSuccess) {
    return Error{Code::connection_lost, "the shim at " + path + " gave an answer that is not of its protocol"};
  }
  errno = static_cast<unsigned char>(answer);
  Error error = errno_error("userfaultfd", "the VMM cannot make a userfaultfd");
  if (error.code == Code::permission) error.message += "; run it as root or set vm.unprivileged_userfaultfd=1";
  return error;
}

}  // namespace drover
