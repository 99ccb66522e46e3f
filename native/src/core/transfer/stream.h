// One end of a connection during a transfer. Nothing blocks for good: every wait ends when no byte moves for the stall
// time, at a deadline, or when the transfer is cancelled. No call raises SIGPIPE.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "core/base/unique_fd.h"
#include "core/transfer/wait.h"

namespace drover {

// Errors of every call: timeout (nothing moved for the stall time), cancelled, connection_lost.
class Stream {
 public:
  // Takes over a connected socket and prepares it: not blocking; for TCP no delay, keep-alive, and unacknowledged data
  // given up after the stall time. `cancel` must outlive the stream.
  static Result<Stream> adopt(UniqueFd fd, int64_t stall_ms, const CancelToken& cancel);

  int fd() const { return fd_.get(); }

  // Sends all of it, by `deadline` where there is one; `parts` is used up on the way. With Push::with_what_follows the
  // kernel may keep it, 200 ms at most, to send it together with the next: many small runs then cost the receiver one
  // wake-up instead of one each.
  enum class Push { now, with_what_follows };
  Status send(std::span<iovec> parts, Deadline deadline = kNoDeadline, Push push = Push::now);
  Status send(std::span<const uint8_t> bytes, Deadline deadline = kNoDeadline);

  // Receives exactly that many bytes.
  Status receive(std::span<uint8_t> into);
  // The same, but true when they came and false when the peer ended the stream before the first of them. The wait for
  // the first byte ends at `first_byte`.
  Result<bool> receive_unless_ended(std::span<uint8_t> into, Deadline first_byte);
  // When a wait that begins now has lasted for the stall time.
  Deadline stall_deadline() const { return deadline_in_ms(stall_ms_); }
  // The peer ended the stream where it may not.
  static Error ended_error();
  // What is there, at least a byte; 0 at the end of the stream.
  Result<size_t> receive_some(std::span<uint8_t> into, Deadline deadline);

  // Waits until something can be received. While bytes sent before still leave for the peer, the stall time starts
  // anew.
  Status wait_for_answer();

  // Ends the stream in both directions, so that the peer learns at once.
  void shut_down();

 private:
  Stream(UniqueFd fd, int64_t stall_ms, const CancelToken& cancel)
      : fd_(std::move(fd)), stall_ms_(stall_ms), cancel_(&cancel) {}

  UniqueFd fd_;
  int64_t stall_ms_;
  const CancelToken* cancel_;
};

}  // namespace drover
