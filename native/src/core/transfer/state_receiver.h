// The VMM's device state on its way in: buffered up to a limit, checked as a whole, then written to the VMM.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/transfer/counters.h"
#include "core/transfer/frames.h"
#include "core/transfer/stream.h"

namespace drover {

class StateReceiver {
 public:
  // All references must outlive it. `limit` in bytes.
  StateReceiver(uint64_t limit, CounterBlock& counters, Stream stream)
      : limit_(limit), counters_(counters), stream_(std::move(stream)) {}

  Status welcome(const PreambleBytes& preamble) { return stream_.send(preamble); }
  // Receives the whole state. Errors: limit, peer_violation, connection_lost, timeout, cancelled.
  Result<std::vector<uint8_t>> run();
  // Tells the source that all `length` bytes are here, then waits for it to end the stream; anything else that comes is
  // an error.
  Status acknowledge(uint64_t length);
  void shut_down() { stream_.shut_down(); }

 private:
  Status take(const FrameHeader& frame, std::vector<uint8_t>& state);

  uint64_t limit_;
  CounterBlock& counters_;
  Stream stream_;
};

// Connects to the VMM's unix socket and writes all of `state`. Errors: connection_lost, timeout, cancelled.
Status deliver_state(const std::vector<uint8_t>& state, const std::string& socket, Deadline deadline,
                     const CancelToken& cancel);

}  // namespace drover
