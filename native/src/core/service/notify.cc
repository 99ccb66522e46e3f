#include "core/service/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "core/base/unique_fd.h"

namespace drover {

Status notify_service_manager(const std::string& address, const std::string& text) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const bool is_known = !address.empty() && (address[0] == '/' || address[0] == '@');
  // A path needs its end in the structure; a name in the abstract namespace has its length alone.
  if (!is_known || address.size() < 2 || address.size() >= sizeof(to.sun_path)) {
    return Error{Code::invalid_argument, "A service manager is told at an absolute path or @name of at most " +
                                             std::to_string(sizeof(to.sun_path) - 1) + " bytes, not at \"" + address +
                                             "\""};
  }
  std::memcpy(to.sun_path, address.data(), address.size());
  if (address[0] == '@') to.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno_error("socket(AF_UNIX)", "The service manager cannot be told");
  const ssize_t sent =
      ::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to), length);
  if (sent < 0) return errno_error("sendto(" + address + ")", "The service manager cannot be told");
  return success();
}

}  // namespace drover
