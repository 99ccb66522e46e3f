// A peer that says exactly what a test wants it to say.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/transfer/frames.h"

namespace drover::testing {

class RawPeer {
 public:
  // Listens on a loopback port of the system's choice. A call that waits longer than 10 s fails the test.
  RawPeer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 100), 0);
    limit_waits(listener_);
  }

  uint16_t port() const {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    return ntohs(address.sin_port);
  }

  UniqueFd accept() const {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(fd.valid());
    limit_waits(fd);
    return fd;
  }

  static UniqueFd connect(uint16_t port) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    limit_waits(fd);
    return fd;
  }

  // False when the other side has gone.
  static bool send(const UniqueFd& fd, std::span<const uint8_t> bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes = bytes.subspan(static_cast<size_t>(sent));
    }
    return true;
  }

  // That many bytes, fewer when the other side ended.
  static std::vector<uint8_t> receive(const UniqueFd& fd, size_t length) {
    std::vector<uint8_t> bytes(length);
    size_t have = 0;
    while (have < length) {
      const ssize_t received = ::recv(fd.get(), bytes.data() + have, length - have, 0);
      if (received <= 0) break;
      have += static_cast<size_t>(received);
    }
    bytes.resize(have);
    return bytes;
  }

  static void limit_waits(const UniqueFd& fd) {
    const timeval limit{10, 0};
    EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
  }

 private:
  UniqueFd listener_;
};

}  // namespace drover::testing
