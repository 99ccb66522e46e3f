#include "core/transfer/state_sender.h"

#include <poll.h>
#include <sys/socket.h>

#include <vector>

#include "core/simd/crc32c.h"
#include "core/transfer/connect.h"
#include "core/transfer/frames.h"
#include "core/transfer/run_check.h"

namespace drover {

namespace {

// Bytes of state in a frame at most: what is read at once. A device state is some hundred KiB.
constexpr size_t kReadBytes = 256 << 10;
static_assert(kReadBytes <= kMaxStateFrameBytes);

Status await_acknowledgement(Stream& peer, uint16_t version, uint64_t length) {
  if (auto answer = peer.wait_for_answer(); !answer) return answer;
  FrameHeaderBytes bytes;
  if (auto received = peer.receive(bytes); !received) return received;
  FrameHeader frame;
  if (const Refusal refusal = decode_frame(version, bytes, frame); refusal != Refusal::ok)
    return frame_violation(refusal);
  if (frame.type != FrameType::state_end_ack) return violation("something else than the acknowledgement of the state");
  if (frame.offset != length) return violation("an acknowledgement of another length of state");
  return success();
}

}  // namespace

Result<StateSocket> StateSocket::open(const std::string& path) {
  auto fd = listen_unix(path);
  if (!fd) return fd.error();
  return StateSocket(path, fd.take());
}

StateSocket::~StateSocket() {
  if (fd_.valid()) ::unlink(path_.c_str());
}

Result<UniqueFd> StateSocket::accept(const CancelToken& cancel) const {
  for (;;) {
    auto ready = wait_ready(fd_.get(), POLLIN, kNoDeadline, cancel, "no state from the VMM");
    if (!ready) return ready.error();
    UniqueFd vmm(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (vmm.valid()) return vmm;
    // A VMM that connected and went away before it was accepted is no failure.
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      return errno_error("accept4", "cannot take the state from the VMM on " + path_);
    }
  }
}

Result<uint64_t> forward_state(Stream& vmm, Stream& peer, uint16_t version, uint64_t limit, CounterBlock& counters,
                               int64_t stall_ms) {
  std::vector<uint8_t> buffer(kReadBytes);
  uint64_t length = 0;
  uint32_t crc = 0;
  for (;;) {
    const Deadline deadline = length == 0 ? kNoDeadline : deadline_in_ms(stall_ms);
    auto received = vmm.receive_some(buffer, deadline);
    if (!received) {
      Error error = received.error();
      error.message = "the VMM's device state: " + error.message;
      return error;
    }
    const size_t bytes = received.value();
    if (bytes == 0) break;
    if (bytes > limit - length) {
      return Error{Code::limit,
                   "the VMM's device state is larger than the limit of " + std::to_string(limit) + " bytes"};
    }
    FrameHeader header{.type = FrameType::state, .count = static_cast<uint32_t>(bytes), .offset = length};
    header.payload_crc = crc32c(0, buffer.data(), bytes);
    FrameHeaderBytes head = encode_frame(header);
    iovec parts[2] = {{head.data(), head.size()}, {buffer.data(), bytes}};
    if (auto sent = peer.send(parts); !sent) return sent.error();
    crc = crc32c(crc, buffer.data(), bytes);
    length += bytes;
    counters.add(Counter::state_bytes, bytes);
    counters.add(Counter::wire_bytes, kFrameHeaderBytes + bytes);
    counters.add(Counter::frames, 1);
  }
  FrameHeader end{.type = FrameType::state_end, .offset = length, .payload_crc = crc};
  if (auto sent = peer.send(encode_frame(end)); !sent) return sent.error();
  counters.add(Counter::wire_bytes, kFrameHeaderBytes);
  counters.add(Counter::frames, 1);
  if (auto acknowledged = await_acknowledgement(peer, version, length); !acknowledged) return acknowledged.error();
  return length;
}

}  // namespace drover
