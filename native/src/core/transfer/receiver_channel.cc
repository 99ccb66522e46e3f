#include "core/transfer/receiver_channel.h"

#include <sys/mman.h>

#include "core/simd/crc32c.h"
#include "core/transfer/round_work.h"
#include "core/transfer/run_check.h"
#include "core/transfer/zero_pages.h"

// Linux 5.14, include/uapi/asm-generic/mman-common.h; older headers lack it.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace drover {

Status ReceiverChannel::run() {
  for (;;) {
    FrameHeaderBytes bytes;
    // A source that is held by its bandwidth limit, or decides between two rounds, is silent: keep-alive and the control channel watch it.
    auto received = stream_.receive_unless_ended(bytes, kNoDeadline);
    if (!received) return received.error();
    if (!received.value()) {
      if (!in_round_) return success();
      return Error{Code::connection_lost, "the source closed a bulk channel in the middle of a round"};
    }
    FrameHeader frame;
    if (const Refusal refusal = decode_frame(bytes, frame); refusal != Refusal::ok) return frame_violation(refusal);
    if (auto taken = take(frame); !taken) return taken;
    counters_.add(Counter::wire_bytes, kFrameHeaderBytes + payload_bytes(frame));
    counters_.add(Counter::frames, 1);
  }
}

Status ReceiverChannel::take(const FrameHeader& frame) {
  const bool pages = frame.type == FrameType::data || frame.type == FrameType::zero;
  if (!pages && frame.type != FrameType::round_end) return violation("a frame that does not belong on a page channel");
  if (pages && !run_in_memory(memory_, frame)) return violation("a run outside guest memory");
  if (!in_round_) {
    if (!rounds_.open_round(channel_, frame.round)) return violation("a round out of order");
    in_round_ = true;
    round_ = frame.round;
    frames_ = 0;
  } else if (frame.round != round_) {
    return violation("a frame of another round inside a round");
  }
  if (frame.type == FrameType::data) return take_data(frame);
  if (frame.type == FrameType::zero) return take_zero(frame);
  return take_round_end(frame);
}

Status ReceiverChannel::take_data(const FrameHeader& frame) {
  uint8_t* run = memory_.region(frame.region).data() + frame.offset;
  const uint64_t bytes = frame.count * kPageSize;
  if (auto populated = populate(run, bytes); !populated) return populated;
  if (auto received = stream_.receive({run, bytes}); !received) return received;
  frames_++;
  counters_.add(Counter::data_pages, frame.count);
  counters_.add(Counter::round_pages_done, frame.count);
  if (crc32c(0, run, bytes) == frame.payload_crc) return success();
  if (!torn_) torn_ = std::make_unique<DirtyBitmap>(memory_.pages());
  torn_->set_range(memory_.page_number(frame.region, frame.offset), frame.count);
  counters_.add(Counter::torn_pages, frame.count);
  return success();
}

// One call for a run instead of a page fault for each of its pages inside recv(): into fresh 4 KiB pages of shared memory that is two to
// three times as fast (512 MiB over 2 loopback connections, runs of 64 pages: medians of 13.5 against 4.5 Gbit/s), and on memory that is
// there already its cost is lost in the noise (14.8 against 14.1), so nothing is asked first. Receiving into a small buffer and pwrite()
// came between the two.
Status ReceiverChannel::populate(uint8_t* run, uint64_t bytes) {
  while (can_populate_ && ::madvise(run, bytes, MADV_POPULATE_WRITE) != 0) {
    if (errno == EINVAL) {
      can_populate_ = false;
    } else if (errno != EINTR && errno != EAGAIN) {
      return errno_error("madvise MADV_POPULATE_WRITE", "cannot get memory for the guest");
    }
    if (cancel_.cancelled()) return cancelled_error();
  }
  return success();
}

Status ReceiverChannel::take_zero(const FrameHeader& frame) {
  auto zeroed = zero_pages(memory_.region(frame.region), frame.offset, frame.count, cancel_);
  if (!zeroed) return zeroed;
  frames_++;
  counters_.add(Counter::zero_pages, frame.count);
  counters_.add(Counter::round_pages_done, frame.count);
  return success();
}

Status ReceiverChannel::take_round_end(const FrameHeader& frame) {
  if (frame.count != frames_) return violation("an end of round with a wrong number of frames");
  uint32_t torn_frames = 0;
  for (auto run = torn_ ? torn_->next_run(0, kMaxRunPages) : std::nullopt; run;
       run = torn_->next_run(run->first + run->count, kMaxRunPages)) {
    RegionRuns parts(memory_, *run);
    while (const auto part = parts.next()) {
      FrameHeader torn{.type = FrameType::torn, .region = part->region, .round = round_};
      torn.count = static_cast<uint32_t>(part->pages);
      torn.offset = part->offset;
      if (auto sent = stream_.send(encode_frame(torn)); !sent) return sent;
      torn_frames++;
    }
  }
  torn_.reset();
  in_round_ = false;
  // Before the acknowledgement: the source may begin the next round as soon as it has the last of them.
  rounds_.end_round(channel_);
  FrameHeader acknowledgement{.type = FrameType::round_end_ack, .round = round_, .count = torn_frames};
  return stream_.send(encode_frame(acknowledgement));
}

}  // namespace drover
