// The receiving half of the bulk transfer: N page channels and a state channel, added as they are accepted, each on a
// thread of its own.
//
// The first error ends every channel and every wait and is reported once. A source that closes its connections after
// the state was acknowledged, between two rounds, has ended in order: that is no error, but nothing more can come.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/transfer/failure.h"
#include "core/transfer/receiver_channel.h"
#include "core/transfer/round_ledger.h"
#include "core/transfer/state_receiver.h"

namespace drover {

struct ReceiverOptions {
  std::shared_ptr<GuestMemory> memory;
  uint16_t connections;  // page channels, 1-64
  uint16_t version;      // of the peer protocol
  int64_t stall_timeout_ms;
  uint64_t state_limit;  // bytes
  // Called once, with the first error (cancel() and close() included), on any thread, under no lock.
  std::function<void(const Error&)> on_failure;
};

class BulkReceiver : private RoundKeeper {
 public:
  // Errors: invalid_argument.
  static Result<std::shared_ptr<BulkReceiver>> create(ReceiverOptions options);
  ~BulkReceiver() override;
  BulkReceiver(const BulkReceiver&) = delete;
  BulkReceiver& operator=(const BulkReceiver&) = delete;

  // Takes over a connection whose preamble and hello were read, and welcomes the peer. A refused one is closed and
  // harms nothing else. Errors: peer_violation (bad hello, a channel that is there already, another number of
  // channels), closed, cancelled.
  Status add_channel(UniqueFd fd, std::span<const uint8_t> hello);

  // These block. Errors of all: timeout (harmless: wait again), and the failure of the transfer.

  // Until all channels are there.
  Status wait_connected(int64_t timeout_ms);
  // Until all channels have ended `round`, or a later one, with every page of it in memory: what came torn the source
  // sends again in the next round, and that one is waited for.
  Status wait_round(uint32_t round, int64_t timeout_ms);
  // Whether that wait would end at once, and well. Does not block.
  bool has_round(uint32_t round);
  // Connects to the unix socket on which the VMM awaits its state, ahead of the state: the VMM is then ready to read.
  Status connect_to_vmm(const std::string& socket, int64_t timeout_ms);
  // Writes the state to the VMM as it comes, so that the VMM loads its beginning while the source still saves its end;
  // returns its bytes when all of it was checked and written. What the VMM has then loaded of a state that fails is
  // worth nothing: end it. A time-out is harmless until the first byte of state is here.
  Result<uint64_t> deliver(int64_t timeout_ms);

  // The guest stands still and waits for what is on its way: the threads run ahead of ordinary ones from here to their
  // end. Any thread.
  void hurry();
  // Ends everything with `cancelled`; from any thread.
  void cancel();
  // The same with `closed`, and joins the threads. Prompt. From any thread but theirs.
  void close();

  const std::shared_ptr<CounterBlock>& counters() const { return counters_; }

 private:
  BulkReceiver(ReceiverOptions options, std::shared_ptr<CancelToken> token);
  bool open_round(size_t channel, uint32_t round) override;
  void end_round(size_t channel, bool torn) override;
  Status add_pages(uint16_t channel, Stream stream);
  Status add_state(Stream stream);
  void page_thread(ReceiverChannel& channel);
  void state_thread();
  bool all_here() const;
  Result<uint64_t> deliver_until(Deadline deadline);
  template <typename Done>
  Status wait_until(Deadline deadline, const char* what, Done done);

  std::optional<Stream> vmm_;  // guarded by mutex_ until deliver() takes it
  ReceiverOptions options_;    // its memory is let go of by close()
  const std::shared_ptr<CounterBlock> counters_ = std::make_shared<CounterBlock>();
  Failure failure_;

  std::mutex mutex_;  // guards what follows; changed_ tells of every change and of a failure
  std::condition_variable changed_;
  RoundLedger ledger_;
  std::vector<std::unique_ptr<ReceiverChannel>> channels_;  // null until it is here
  std::unique_ptr<StateReceiver> state_channel_;
  std::vector<uint8_t> state_;  // as much as has come
  bool state_whole_ = false;    // that is all of it, and it was checked
  bool ended_ = false;          // the source closed a channel in order
  std::vector<std::thread> threads_;
  std::optional<pthread_t> delivering_;  // the thread inside deliver()
  bool hurried_ = false;
};

}  // namespace drover
