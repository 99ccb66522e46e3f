// Host names to addresses, with a deadline.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/transfer/wait.h"

namespace drover {

struct SocketAddress {
  sockaddr_storage storage;
  socklen_t length;
};

// TCP addresses of `host`, a name or a numeric address, in the resolver's order. A numeric address never waits.
// Errors: invalid_argument (no such host), timeout, cancelled.
Result<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port, Deadline deadline,
                                           const CancelToken& cancel);

// The same for listening, numeric addresses only: never waits.
Result<std::vector<SocketAddress>> resolve_numeric(const std::string& host, uint16_t port);

}  // namespace drover
