#include "core/service/notify.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "core/base/unique_fd.h"

namespace drover {
namespace {

// A manager that listens at `address`, written as in NOTIFY_SOCKET.
class Manager {
 public:
  explicit Manager(const std::string& address) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, address.data(), address.size());
    if (address[0] == '@') at.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&at), length), 0) << std::strerror(errno);
  }

  // The next datagram; empty where there is none.
  std::string heard() {
    char text[256];
    const ssize_t length = ::recv(fd_.get(), text, sizeof(text), 0);
    return length < 0 ? "" : std::string(text, static_cast<size_t>(length));
  }

 private:
  UniqueFd fd_;
};

std::string own_name(const char* what) { return "drover-notify-" + std::string(what) + std::to_string(::getpid()); }

TEST(Notify, SendsOneDatagramToAPath) {
  const std::string path = "/tmp/" + own_name("path");
  Manager manager(path);
  const Status told = notify_service_manager(path, "READY=1\nSTATUS=serving");
  ::unlink(path.c_str());
  ASSERT_TRUE(told.ok()) << told.error().message;
  EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=serving");
  EXPECT_EQ(manager.heard(), "");
}

TEST(Notify, SendsToANameInTheAbstractNamespace) {
  const std::string name = "@" + own_name("name");
  Manager manager(name);
  ASSERT_TRUE(notify_service_manager(name, "WATCHDOG=1").ok());
  EXPECT_EQ(manager.heard(), "WATCHDOG=1");
}

TEST(Notify, RefusesAnAddressThatIsNone) {
  for (const std::string& address : {std::string(), std::string("@"), std::string("relative"), std::string("vsock:2:1"),
                                     "/" + std::string(108, 'x')}) {
    const Status told = notify_service_manager(address, "READY=1");
    ASSERT_FALSE(told.ok()) << address;
    EXPECT_EQ(told.error().code, Code::invalid_argument) << address;
  }
}

TEST(Notify, SaysWhereNobodyListens) {
  const Status told = notify_service_manager("/tmp/" + own_name("nobody"), "READY=1");
  ASSERT_FALSE(told.ok());
  EXPECT_EQ(told.error().error_number, ENOENT);
}

TEST(Notify, DoesNotWaitForAManagerThatDoesNotRead) {
  const std::string name = "@" + own_name("full");
  Manager manager(name);
  Status told = success();
  for (int sent = 0; sent < 10'000 && told.ok(); ++sent) told = notify_service_manager(name, "WATCHDOG=1");
  ASSERT_FALSE(told.ok());
  EXPECT_EQ(told.error().error_number, EAGAIN);
}

}  // namespace
}  // namespace drover
