// Outgoing connections with a deadline.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/unique_fd.h"
#include "core/transfer/wait.h"

namespace drover {

// Connects to the first address of `host` that answers, name look-up included, within the deadline.
// Errors: timeout, cancelled, connection_lost (nobody there; errno says why), invalid_argument (no such host).
Result<UniqueFd> connect_tcp(const std::string& host, uint16_t port, Deadline deadline, const CancelToken& cancel);

// The same for a unix socket.
Result<UniqueFd> connect_unix(const std::string& path, Deadline deadline, const CancelToken& cancel);

// Listens on a unix socket that only this user may connect to. The path must not exist. Errors: invalid_argument (path
// too long), system_call, permission.
Result<UniqueFd> listen_unix(const std::string& path);

}  // namespace drover
