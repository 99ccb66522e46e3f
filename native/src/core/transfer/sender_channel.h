// One page channel of the sending side: its part of a round, from the first frame to the acknowledged end.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/dirty/bitmap.h"
#include "core/transfer/data_map.h"
#include "core/transfer/page_sender.h"
#include "core/transfer/round_work.h"
#include "core/transfer/stream.h"

namespace drover {

// Pages that a channel takes at a time from a pass over everything.
inline constexpr uint64_t kFullPiecePages = 1024;

// One round, shared by its channels.
struct SenderRound {
  uint32_t round;
  std::shared_ptr<const DirtyBitmap> pages;  // null: everything that holds data
  std::shared_ptr<DirtyBitmap> torn;         // what arrived torn is added
  DataWalk full;                             // the work without `pages`
  std::optional<DirtyPass> dirty;            // the work with `pages`
  std::atomic<uint64_t> wire_bytes{0};
  std::atomic<uint64_t> data_pages{0};
  std::atomic<uint64_t> zero_pages{0};
  std::atomic<uint64_t> torn_pages{0};

  SenderRound(const GuestMemory& memory, uint32_t number, std::shared_ptr<const DirtyBitmap> set,
              std::shared_ptr<DirtyBitmap> torn_set)
      : round(number), pages(std::move(set)), torn(std::move(torn_set)), full(memory, kFullPiecePages) {
    if (pages) dirty.emplace(*pages);
  }
};

class SenderChannel {
 public:
  // All references must outlive the channel.
  SenderChannel(const SenderShared& shared, DataMap& data_map, Stream stream)
      : shared_(shared), data_map_(data_map), stream_(std::move(stream)) {}

  // Returns when this channel's end of round is acknowledged: all that it sent is in the destination's memory, or named
  // torn. Errors: those of the stream, peer_violation, system_call.
  Status run(SenderRound& round);

  void shut_down() { stream_.shut_down(); }

 private:
  Status send_everything(SenderRound& round, PageSender& sender);
  Status send_dirty(SenderRound& round, PageSender& sender);
  Status send_run(const RegionRun& run, PageSender& sender);
  Status await_end(SenderRound& round, const ChannelTotals& sent);

  SenderShared shared_;
  DataMap& data_map_;
  Stream stream_;
};

}  // namespace drover
