// The VMM's device state on its way in: each piece is checked before anybody sees it, and all of it at its end.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/transfer/counters.h"
#include "core/transfer/frames.h"
#include "core/transfer/stream.h"

namespace drover {

class StateReceiver {
 public:
  // All references must outlive it. `version` of the peer protocol, `limit` in bytes.
  StateReceiver(uint16_t version, uint64_t limit, CounterBlock& counters, Stream stream)
      : version_(version), limit_(limit), counters_(counters), stream_(std::move(stream)) {}

  Status welcome(const PreambleBytes& preamble) { return stream_.send(preamble); }
  // Receives the whole state, handing out each piece as it comes. Returns the length.
  // Errors: limit, peer_violation, connection_lost, timeout, cancelled.
  Result<uint64_t> run(const std::function<void(std::span<const uint8_t>)>& piece);
  // Tells the source that all `length` bytes are here, then waits for it to end the stream; anything else that comes is
  // an error.
  Status acknowledge(uint64_t length);
  void shut_down() { stream_.shut_down(); }

 private:
  Status take(const FrameHeader& frame);

  uint16_t version_;
  uint64_t limit_;
  CounterBlock& counters_;
  Stream stream_;
  std::vector<uint8_t> piece_;
  uint64_t length_ = 0;  // received so far
  uint32_t crc_ = 0;     // of all of it
};

// Connects to the unix socket on which the VMM awaits its state. Errors: connection_lost, timeout, cancelled.
Result<Stream> connect_vmm(const std::string& socket, Deadline deadline, const CancelToken& cancel);

}  // namespace drover
