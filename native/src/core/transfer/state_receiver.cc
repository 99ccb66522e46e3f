#include "core/transfer/state_receiver.h"

#include <algorithm>

#include "core/simd/crc32c.h"
#include "core/transfer/connect.h"
#include "core/transfer/run_check.h"

namespace drover {

Result<uint64_t> StateReceiver::run(const std::function<void(std::span<const uint8_t>)>& piece) {
  for (;;) {
    FrameHeaderBytes bytes;
    auto received = stream_.receive_unless_ended(bytes, kNoDeadline);
    if (!received) return received.error();
    if (!received.value()) {
      return Error{Code::connection_lost, "the source closed the state channel before the end of the state"};
    }
    FrameHeader frame;
    if (const Refusal refusal = decode_frame(version_, bytes, frame); refusal != Refusal::ok)
      return frame_violation(refusal);
    counters_.add(Counter::wire_bytes, kFrameHeaderBytes);
    counters_.add(Counter::frames, 1);
    if (frame.type == FrameType::state) {
      if (auto taken = take(frame); !taken) return taken.error();
      piece(piece_);
    } else if (frame.type == FrameType::state_end) {
      if (frame.offset != length_) return violation("an end of state with a wrong length");
      if (frame.payload_crc != crc_) return violation("a state with a wrong checksum");
      return length_;
    } else {
      return violation("a frame that does not belong on the state channel");
    }
  }
}

Status StateReceiver::take(const FrameHeader& frame) {
  if (frame.offset != length_) return violation("a piece of state out of order");
  if (frame.count > limit_ - length_) {
    return Error{Code::limit, "the device state is larger than the limit of " + std::to_string(limit_) + " bytes"};
  }
  piece_.resize(frame.count);
  if (auto received = stream_.receive(piece_); !received) return received;
  // Unlike guest memory nobody writes the state on the way: a wrong checksum is damage.
  if (crc32c(0, piece_.data(), piece_.size()) != frame.payload_crc)
    return violation("a piece of state with a wrong checksum");
  length_ += frame.count;
  crc_ = crc32c(crc_, piece_.data(), piece_.size());
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

Result<Stream> connect_vmm(const std::string& socket, Deadline deadline, const CancelToken& cancel) {
  auto fd = connect_unix(socket, deadline, cancel);
  if (!fd) return fd.error();
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return Stream::adopt(fd.take(), std::max<int64_t>(left, 1), cancel);
}

}  // namespace drover
