#include "core/transfer/state_receiver.h"

#include <algorithm>

#include "core/simd/crc32c.h"
#include "core/transfer/connect.h"
#include "core/transfer/run_check.h"

namespace drover {

Result<std::vector<uint8_t>> StateReceiver::run() {
  std::vector<uint8_t> state;
  for (;;) {
    FrameHeaderBytes bytes;
    auto received = stream_.receive_unless_ended(bytes, kNoDeadline);
    if (!received) return received.error();
    if (!received.value()) {
      return Error{Code::connection_lost, "the source closed the state channel before the end of the state"};
    }
    FrameHeader frame;
    if (const Refusal refusal = decode_frame(bytes, frame); refusal != Refusal::ok) return frame_violation(refusal);
    counters_.add(Counter::wire_bytes, kFrameHeaderBytes);
    counters_.add(Counter::frames, 1);
    if (frame.type == FrameType::state) {
      if (auto taken = take(frame, state); !taken) return taken.error();
    } else if (frame.type == FrameType::state_end) {
      if (frame.offset != state.size()) return violation("an end of state with a wrong length");
      if (frame.payload_crc != crc32c(0, state.data(), state.size())) return violation("a state with a wrong checksum");
      return state;
    } else {
      return violation("a frame that does not belong on the state channel");
    }
  }
}

Status StateReceiver::take(const FrameHeader& frame, std::vector<uint8_t>& state) {
  if (frame.offset != state.size()) return violation("a piece of state out of order");
  if (frame.count > limit_ - state.size()) {
    return Error{Code::limit, "the device state is larger than the limit of " + std::to_string(limit_) + " bytes"};
  }
  const size_t before = state.size();
  state.resize(before + frame.count);
  const std::span<uint8_t> piece(state.data() + before, frame.count);
  if (auto received = stream_.receive(piece); !received) return received;
  // Unlike guest memory nobody writes the state on the way: a wrong checksum is damage.
  if (crc32c(0, piece.data(), piece.size()) != frame.payload_crc)
    return violation("a piece of state with a wrong checksum");
  counters_.add(Counter::wire_bytes, frame.count);
  counters_.add(Counter::state_bytes, frame.count);
  return success();
}

Status StateReceiver::acknowledge(uint64_t length) {
  FrameHeader acknowledgement{.type = FrameType::state_end_ack, .offset = length};
  if (auto sent = stream_.send(encode_frame(acknowledgement)); !sent) return sent;
  uint8_t byte;
  auto received = stream_.receive_unless_ended({&byte, 1}, kNoDeadline);
  if (!received) return received.error();
  return received.value() ? violation("something behind the end of the state") : success();
}

Status deliver_state(const std::vector<uint8_t>& state, const std::string& socket, Deadline deadline,
                     const CancelToken& cancel) {
  auto fd = connect_unix(socket, deadline, cancel);
  if (!fd) return fd.error();
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  auto vmm = Stream::adopt(fd.take(), std::max<int64_t>(left, 1), cancel);
  if (!vmm) return vmm.error();
  return vmm.value().send(state, deadline);
}

}  // namespace drover
