// One page channel of the receiving side: judges every header before any memory is touched.
//
// A long run whose pages are there is received straight into guest memory. Any other goes through a buffer
// that stays in the cache and is written to the descriptor: so the kernel neither clears a page that is overwritten at
// once nor takes a page fault for it, and one call receives many short runs. Processor time of both sides for 1 GiB
// (receive_bench, 2 loopback connections, runs of 64 pages): into fresh memory 1.41 s straight, 1.36 s with
// MADV_POPULATE_WRITE for each run, 1.27 s written; into memory that is there 0.73 s straight, 0.88 s written. Asking
// with mincore() is lost in the noise.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/dirty/bitmap.h"
#include "core/memory/guest_memory.h"
#include "core/transfer/counters.h"
#include "core/transfer/frames.h"
#include "core/transfer/read_ahead.h"
#include "core/transfer/round_digest.h"
#include "core/transfer/stream.h"

namespace drover {

// What the channels of a receiver know together.
class RoundKeeper {
 public:
  virtual ~RoundKeeper() = default;
  // The channel's first frame of a round; false when the peer may not begin it now.
  virtual bool open_round(size_t channel, uint32_t round) = 0;
  // Every page of the round that came over this channel is in memory.
  virtual void end_round(size_t channel, bool torn) = 0;
};

class ReceiverChannel {
 public:
  // All references must outlive the channel. `version` of the peer protocol.
  ReceiverChannel(size_t channel, uint16_t version, const GuestMemory& memory, CounterBlock& counters,
                  const CancelToken& cancel, RoundKeeper& rounds, Stream stream)
      : channel_(channel),
        version_(version),
        memory_(memory),
        counters_(counters),
        cancel_(cancel),
        rounds_(rounds),
        stream_(std::move(stream)) {}

  ReceiverChannel(const ReceiverChannel&) = delete;
  ReceiverChannel& operator=(const ReceiverChannel&) = delete;

  // Tells the peer that its hello was taken.
  Status welcome(const PreambleBytes& preamble) { return stream_.send(preamble); }
  // Receives until the peer ends the stream between two rounds: success. Errors: peer_violation, those of the stream,
  // system_call.
  Status run();
  void shut_down() { stream_.shut_down(); }

 private:
  Status take(const FrameHeader& frame, const FrameHeaderBytes& bytes);
  Status take_data(const FrameHeader& frame);
  Status take_zero(const FrameHeader& frame);
  Status take_round_end(const FrameHeader& frame);
  Status receive_run(const Region& region, const FrameHeader& frame, uint32_t& crc);

  size_t channel_;
  uint16_t version_;
  const GuestMemory& memory_;
  CounterBlock& counters_;
  const CancelToken& cancel_;
  RoundKeeper& rounds_;
  Stream stream_;
  ReadAhead incoming_{stream_};
  bool in_round_ = false;
  uint32_t round_ = 0;
  uint32_t frames_ = 0;
  RoundDigest digest_;  // of these frames
  // Torn pages of the round. A bitmap, because a peer may name any number of runs; made with the first of them.
  std::unique_ptr<DirtyBitmap> torn_;
};

}  // namespace drover
