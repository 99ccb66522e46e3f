// Turns stretches of guest memory into data and zero frames on one channel.
#pragma once

#include <cstdint>
#include <optional>

#include "core/memory/guest_memory.h"
#include "core/transfer/bandwidth_limit.h"
#include "core/transfer/counters.h"
#include "core/transfer/frame_batch.h"
#include "core/transfer/frames.h"
#include "core/transfer/round_work.h"
#include "core/transfer/stream.h"

namespace drover {

// Pages in a data frame at most, 1 to kMaxDataRunPages. Processor time of both sides for 1 GiB over 2 loopback channels
// (transfer_bench, into fresh memory and into memory that is there): 8 pages 1.42 and 0.79 s, 16 pages 1.23 and 0.75 s,
// 32 pages 1.25 and 0.66 s, 64 pages 1.15 and 0.63 s, 256 pages 1.17 and 0.58 s. What is left to gain behind 64 is not
// worth it: a longer run is torn more often, and all of it is then sent again.
inline constexpr uint32_t kFramePages = 64;

// What is the same for all channels of a sender.
struct SenderShared {
  const GuestMemory& memory;
  BandwidthLimit& limit;
  CounterBlock& counters;
  const CancelToken& cancel;
  uint16_t version;  // of the peer protocol
  uint32_t frame_pages = kFramePages;
};

// What one channel did in a round.
struct ChannelTotals {
  uint64_t wire_bytes = 0;
  uint64_t data_pages = 0;
  uint64_t zero_pages = 0;
  uint32_t frames = 0;
  uint32_t data_frames = 0;
};

enum class ZeroPages { skip, send };

class PageSender {
 public:
  PageSender(const SenderShared& shared, Stream& stream, uint32_t round)
      : shared_(shared), batch_(stream), round_(round) {}

  // Sends a run that holds data. Zero pages in it are sent as zero runs or left out.
  Status send_data(const RegionRun& run, ZeroPages zero_pages);
  // A run that reads as zero; neighbours are joined, so it may leave later.
  Status send_zero(const RegionRun& run);
  // Ends the round on this channel: sends what was held back, and the end behind it.
  Status end();

  const ChannelTotals& totals() const { return totals_; }

 private:
  Status send_frame(const RegionRun& run);
  // Adds the zero run that waits for more to be joined.
  Status add_zeroes();
  // Keeps frames that were paid for from waiting for the next one's turn.
  Status hurry() { return shared_.limit.limited() ? batch_.flush(Stream::Push::now) : success(); }

  SenderShared shared_;
  FrameBatch batch_;
  uint32_t round_;
  std::optional<RegionRun> zeroes_;
  ChannelTotals totals_;
};

}  // namespace drover
