#include "core/transfer/receiver_channel.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/simd/crc32c.h"
#include "core/transfer/round_work.h"
#include "core/transfer/run_check.h"
#include "core/transfer/zero_pages.h"

namespace drover {

namespace {

// A run of so few pages is cheaper copied once more than received by a call of its own.
constexpr uint32_t kShortRunPages = 8;

// Whether every page of the run is in memory already. Where the kernel does not tell, the answer that is always right
// is yes.
bool resident(uint8_t* run, uint64_t bytes) {
  std::array<unsigned char, kMaxDataRunPages> pages;
  if (::mincore(run, bytes, pages.data()) != 0) return true;
  return std::all_of(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(bytes / kPageSize),
                     [](unsigned char page) { return (page & 1) != 0; });
}

Status write_run(const Region& region, uint64_t offset, std::span<const uint8_t> bytes) {
  for (uint64_t at = region.file_offset() + offset; !bytes.empty();) {
    const ssize_t written = ::pwrite(region.fd(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("pwrite", "cannot get memory for the guest's region " + region.id());
    at += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return success();
}

}  // namespace

Status ReceiverChannel::run() {
  for (;;) {
    FrameHeaderBytes bytes;
    // A source that is held by its bandwidth limit, or decides between two rounds, is silent: keep-alive and the
    // control channel watch it.
    auto received = incoming_.receive_unless_ended(bytes);
    if (!received) return received.error();
    if (!received.value()) {
      if (!in_round_) return success();
      return Error{Code::connection_lost, "the source closed a bulk channel in the middle of a round"};
    }
    FrameHeader frame;
    if (const Refusal refusal = decode_frame(version_, bytes, frame); refusal != Refusal::ok)
      return frame_violation(refusal);
    if (auto taken = take(frame, bytes); !taken) return taken;
    counters_.add(Counter::wire_bytes, kFrameHeaderBytes + payload_bytes(frame));
    counters_.add(Counter::frames, 1);
  }
}

Status ReceiverChannel::take(const FrameHeader& frame, const FrameHeaderBytes& bytes) {
  const bool pages = frame.type == FrameType::data || frame.type == FrameType::zero;
  if (!pages && frame.type != FrameType::round_end) return violation("a frame that does not belong on a page channel");
  if (pages && !run_in_memory(memory_, frame)) return violation("a run outside guest memory");
  if (!in_round_) {
    if (!rounds_.open_round(channel_, frame.round)) return violation("a round out of order");
    in_round_ = true;
    round_ = frame.round;
    frames_ = 0;
    digest_ = {};
  } else if (frame.round != round_) {
    return violation("a frame of another round inside a round");
  }
  if (pages) digest_.add(bytes);
  if (frame.type == FrameType::data) return take_data(frame);
  if (frame.type == FrameType::zero) return take_zero(frame);
  return take_round_end(frame);
}

Status ReceiverChannel::take_data(const FrameHeader& frame) {
  uint32_t crc = 0;
  if (auto received = receive_run(memory_.region(frame.region), frame, crc); !received) return received;
  frames_++;
  counters_.add(Counter::data_pages, frame.count);
  counters_.add(Counter::round_pages_done, frame.count);
  if (crc == frame.payload_crc) return success();
  if (!torn_) torn_ = std::make_unique<DirtyBitmap>(memory_.pages());
  torn_->set_range(memory_.page_number(frame.region, frame.offset), frame.count);
  counters_.add(Counter::torn_pages, frame.count);
  return success();
}

Status ReceiverChannel::receive_run(const Region& region, const FrameHeader& frame, uint32_t& crc) {
  const uint64_t bytes = frame.count * kPageSize;
  uint8_t* run = region.data() + frame.offset;
  if (frame.count > kShortRunPages && resident(run, bytes)) {
    if (auto received = incoming_.receive({run, bytes}); !received) return received;
    crc = crc32c(0, run, bytes);
    return success();
  }
  auto payload = incoming_.take(bytes);
  if (!payload) return payload.error();
  crc = crc32c(0, payload.value().data(), bytes);
  return write_run(region, frame.offset, payload.value());
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
  if (version_ >= kRoundDigestVersion && frame.payload_crc != digest_.value()) {
    return violation("an end of round whose digest is not that of the frames that came");
  }
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
  rounds_.end_round(channel_, torn_frames > 0);
  FrameHeader acknowledgement{.type = FrameType::round_end_ack, .round = round_, .count = torn_frames};
  return stream_.send(encode_frame(acknowledgement));
}

}  // namespace drover
