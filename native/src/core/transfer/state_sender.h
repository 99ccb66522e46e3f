// The VMM's device state on its way out: awaited on a unix socket, forwarded as it comes, acknowledged as a whole.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/unique_fd.h"
#include "core/transfer/counters.h"
#include "core/transfer/stream.h"

namespace drover {

// The unix socket on which the VMM delivers its state. Its file goes with the object.
class StateSocket {
 public:
  // Errors: those of listen_unix().
  static Result<StateSocket> open(const std::string& path);
  StateSocket(StateSocket&& other) noexcept : path_(std::move(other.path_)), fd_(std::move(other.fd_)) {}
  StateSocket& operator=(StateSocket&&) = delete;
  ~StateSocket();

  // Waits for the VMM for as long as it takes. Errors: cancelled, system_call.
  Result<UniqueFd> accept(const CancelToken& cancel) const;

 private:
  StateSocket(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
};

// Forwards `vmm` until its end as state frames over `peer` and waits until the destination has all of it. Returns the
// bytes of state. Once the first byte came, the VMM must go on within the stall time. Errors: limit (more than `limit`
// bytes), peer_violation, those of the streams.
Result<uint64_t> forward_state(Stream& vmm, Stream& peer, uint16_t version, uint64_t limit, CounterBlock& counters,
                               int64_t stall_ms);

}  // namespace drover
