// The sending half of the bulk transfer: N page channels and a state channel, each on a thread of its own.
//
//   fresh ── connect() ──▶ connected ── send_round() … ──▶ connected
//     any ── an error, cancel(), close() ──▶ failed: every thread ends, every call returns the first error
//
// A round ends when every channel has its end acknowledged, and send_round() takes one round at a time: no page of a
// round leaves before all of the round before it is in the destination's memory.
#pragma once

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/transfer/failure.h"
#include "core/transfer/frames.h"
#include "core/transfer/sender_channel.h"
#include "core/transfer/state_sender.h"

namespace drover {

struct SenderOptions {
  std::shared_ptr<GuestMemory> memory;
  std::string host;
  uint16_t port;
  uint16_t connections;  // page channels, 1-64
  uint16_t version;      // of the peer protocol
  std::array<uint8_t, kTokenBytes> token;
  int64_t connect_timeout_ms;
  int64_t stall_timeout_ms;
  std::string state_socket;  // empty: the VMM has no state
  uint64_t state_limit;      // bytes
  uint32_t frame_pages = kFramePages;
};

struct RoundTotals {
  uint64_t wire_bytes;
  uint64_t data_pages;
  uint64_t zero_pages;
  uint64_t torn_pages;
  int64_t duration_micros;
};

struct StateTotals {
  uint64_t bytes;
  int64_t duration_micros;  // from the VMM's connection to the acknowledgement
};

class BulkSender {
 public:
  // Errors: invalid_argument.
  static Result<std::shared_ptr<BulkSender>> create(SenderOptions options);
  ~BulkSender();
  BulkSender(const BulkSender&) = delete;
  BulkSender& operator=(const BulkSender&) = delete;

  // The calls from here to state_sent() block; each may run on a thread of its own.

  // Makes the state socket and all connections. Once. Errors: timeout, connection_lost, unsupported (version),
  // cancelled.
  Status connect();
  // One round; rounds rise. `pages` null: everything but holes and zero pages. What arrives torn is added to `torn`.
  // Prerequisite: bitmaps of this memory's size. Errors: those of a channel; then the transfer has failed.
  Result<RoundTotals> send_round(uint32_t round, std::shared_ptr<const DirtyBitmap> pages,
                                 std::shared_ptr<DirtyBitmap> torn);
  // Returns when the destination acknowledged all of the state.
  Result<StateTotals> state_sent();

  void set_bandwidth(uint64_t bytes_per_second) { limit_.set(bytes_per_second); }
  // The guest stands still and waits for what is to be sent: the threads run ahead of ordinary ones from here to their
  // end. Any thread.
  void hurry();
  // Ends everything with `cancelled`; from any thread.
  void cancel();
  // The same with `closed`, and joins the threads. Prompt. From any thread but theirs.
  void close();

  const std::shared_ptr<CounterBlock>& counters() const { return counters_; }

 private:
  BulkSender(SenderOptions options, std::shared_ptr<CancelToken> token);
  Result<Stream> open_channel(const BulkHello& hello, Deadline deadline);
  Status await_welcome(Stream& stream, Deadline deadline);
  void channel_thread(SenderChannel& channel);
  void state_thread(Stream peer);
  Status start(std::vector<Stream> pages, Stream state);

  SenderOptions options_;  // its memory is let go of by close()
  const std::shared_ptr<CounterBlock> counters_ = std::make_shared<CounterBlock>();
  BandwidthLimit limit_;
  Failure failure_;
  DataMap data_map_;

  std::mutex mutex_;  // guards what follows; changed_ tells of every change and of a failure
  std::condition_variable changed_;
  bool connecting_ = false;
  bool connected_ = false;
  int64_t last_round_ = -1;
  std::shared_ptr<SenderRound> round_;  // under way
  uint64_t rounds_started_ = 0;
  size_t channels_busy_ = 0;
  std::optional<StateTotals> state_;
  std::optional<StateSocket> state_socket_;
  std::vector<std::unique_ptr<SenderChannel>> channels_;
  std::vector<std::thread> threads_;
};

}  // namespace drover
