#include "core/transfer/bulk_receiver.h"

#include <algorithm>
#include <utility>

#include "core/scheduling/urgency.h"
#include "core/transfer/run_check.h"

namespace drover {

namespace {

Error misuse(const std::string& message) { return Error{Code::invalid_argument, message}; }

Error closed_by_source() { return Error{Code::connection_lost, "the source closed its bulk channels"}; }

}  // namespace

Result<std::shared_ptr<BulkReceiver>> BulkReceiver::create(ReceiverOptions options) {
  if (options.connections < 1 || options.connections > kMaxChannels) return misuse("connections must be 1 to 64");
  if (!speaks_version(options.version)) return misuse("version must be 1 or 2");
  if (options.stall_timeout_ms < 1) return misuse("time-outs must be at least 1 ms");
  if (options.memory->region_count() > UINT16_MAX) return misuse("at most 65535 regions can be received");
  auto token = CancelToken::create();
  if (!token) return token.error();
  return std::shared_ptr<BulkReceiver>(new BulkReceiver(std::move(options), token.take()));
}

BulkReceiver::BulkReceiver(ReceiverOptions options, std::shared_ptr<CancelToken> token)
    : options_(std::move(options)),
      failure_(std::move(token),
               [this](const Error& error) {
                 // Empty on purpose: whoever is about to wait has looked at the failure under the lock.
                 { std::lock_guard lock(mutex_); }
                 changed_.notify_all();
                 if (options_.on_failure) options_.on_failure(error);
               }),
      ledger_(options_.connections),
      channels_(options_.connections) {}

BulkReceiver::~BulkReceiver() { close(); }

Status BulkReceiver::add_channel(UniqueFd fd, std::span<const uint8_t> bytes) {
  BulkHello hello;
  if (const Refusal refusal = decode_bulk_hello(bytes, hello); refusal != Refusal::ok) {
    return violation(std::string("a bulk hello with a wrong field: ") + refusal_name(refusal));
  }
  if (hello.channels != options_.connections) return violation("a bulk hello with another number of channels");
  auto stream = Stream::adopt(std::move(fd), options_.stall_timeout_ms, failure_.token());
  if (!stream) return stream.error();
  std::lock_guard lock(mutex_);
  if (failure_.failed()) return failure_.error();
  auto added = hello.kind == BulkKind::state ? add_state(stream.take()) : add_pages(hello.channel, stream.take());
  changed_.notify_all();
  return added;
}

Status BulkReceiver::add_pages(uint16_t index, Stream stream) {
  auto& place = channels_[index];
  if (place) return violation("a second connection for channel " + std::to_string(index));
  auto channel =
      std::make_unique<ReceiverChannel>(index, options_.version, *options_.memory, *counters_, failure_.token(),
                                        static_cast<RoundKeeper&>(*this), std::move(stream));
  if (auto sent = channel->welcome(encode_preamble({options_.version, options_.version, Role::bulk})); !sent)
    return sent;
  place = std::move(channel);
  threads_.emplace_back([this, &channel = *place] { page_thread(channel); });
  return success();
}

Status BulkReceiver::add_state(Stream stream) {
  if (state_channel_) return violation("a second connection for the state");
  auto channel = std::make_unique<StateReceiver>(options_.version, options_.state_limit, *counters_, std::move(stream));
  if (auto sent = channel->welcome(encode_preamble({options_.version, options_.version, Role::bulk})); !sent)
    return sent;
  state_channel_ = std::move(channel);
  threads_.emplace_back([this] { state_thread(); });
  return success();
}

bool BulkReceiver::all_here() const {
  return state_channel_ &&
         std::all_of(channels_.begin(), channels_.end(), [](const auto& channel) { return channel != nullptr; });
}

bool BulkReceiver::open_round(size_t channel, uint32_t round) {
  std::lock_guard lock(mutex_);
  if (!all_here() || !ledger_.open(channel, round)) return false;
  if (counters_->get(Counter::round) != round) {
    counters_->set(Counter::round, round);
    counters_->set(Counter::round_pages_done, 0);
  }
  return true;
}

void BulkReceiver::end_round(size_t channel, bool torn) {
  {
    std::lock_guard lock(mutex_);
    ledger_.end(channel, torn);
  }
  changed_.notify_all();
}

void BulkReceiver::page_thread(ReceiverChannel& channel) {
  auto done = channel.run();
  channel.shut_down();
  if (!done) {
    failure_.fail(done.error());
    return;
  }
  bool in_order;
  {
    std::lock_guard lock(mutex_);
    in_order = state_whole_ && ledger_.between_rounds();
    ended_ = true;
  }
  if (!in_order) failure_.fail(closed_by_source());
  changed_.notify_all();
}

void BulkReceiver::state_thread() {
  auto length = state_channel_->run([this](std::span<const uint8_t> piece) {
    {
      std::lock_guard lock(mutex_);
      state_.insert(state_.end(), piece.begin(), piece.end());
    }
    changed_.notify_all();
  });
  if (length) {
    {
      // Before the acknowledgement: the source may close everything as soon as it has it.
      std::lock_guard lock(mutex_);
      state_whole_ = true;
    }
    changed_.notify_all();
    if (auto ended = state_channel_->acknowledge(length.value()); !ended) failure_.fail(ended.error());
  } else {
    failure_.fail(length.error());
  }
  state_channel_->shut_down();
}

template <typename Done>
Status BulkReceiver::wait_until(Deadline deadline, const char* what, Done done) {
  std::unique_lock lock(mutex_);
  const bool in_time = changed_.wait_until(lock, deadline, [&] { return failure_.failed() || done() || ended_; });
  if (failure_.failed()) return failure_.error();
  if (done()) return success();
  if (in_time) return closed_by_source();
  return Error{Code::timeout, std::string("timed out: ") + what};
}

Status BulkReceiver::wait_connected(int64_t timeout_ms) {
  return wait_until(deadline_in_ms(timeout_ms), "not all bulk channels of the source have come",
                    [this] { return all_here(); });
}

Status BulkReceiver::wait_round(uint32_t round, int64_t timeout_ms) {
  return wait_until(deadline_in_ms(timeout_ms), "the source did not end the round",
                    [&] { return ledger_.completed() >= round && ledger_.whole(); });
}

bool BulkReceiver::has_round(uint32_t round) {
  std::lock_guard lock(mutex_);
  return !failure_.failed() && ledger_.completed() >= round && ledger_.whole();
}

Status BulkReceiver::connect_to_vmm(const std::string& socket, int64_t timeout_ms) {
  auto vmm = connect_vmm(socket, deadline_in_ms(timeout_ms), failure_.token());
  if (!vmm) return failure_.failed() ? failure_.error() : vmm.error();
  std::lock_guard lock(mutex_);
  vmm_.emplace(vmm.take());
  return success();
}

Result<uint64_t> BulkReceiver::deliver(int64_t timeout_ms) {
  {
    std::lock_guard lock(mutex_);
    delivering_ = ::pthread_self();
  }
  auto delivered = deliver_until(deadline_in_ms(timeout_ms));
  std::lock_guard lock(mutex_);
  delivering_.reset();
  return delivered;
}

Result<uint64_t> BulkReceiver::deliver_until(Deadline deadline) {
  auto begun =
      wait_until(deadline, "the device state has not come", [this] { return state_whole_ || !state_.empty(); });
  if (!begun) return begun.error();
  std::optional<Stream> vmm;
  {
    std::lock_guard lock(mutex_);
    vmm.swap(vmm_);
  }
  if (!vmm) return misuse("deliver() before connect_to_vmm(), or a second time");
  std::vector<uint8_t> piece;
  for (uint64_t written = 0;; written += piece.size()) {
    auto more =
        wait_until(deadline, "the device state did not end", [&] { return state_whole_ || state_.size() > written; });
    if (!more) return more.error();
    {
      std::lock_guard lock(mutex_);
      piece.assign(state_.begin() + static_cast<std::ptrdiff_t>(written), state_.end());
    }
    // Nothing new, so the wait ended because all of it is here.
    if (piece.empty()) return written;
    auto sent = vmm->send(piece, deadline);
    if (!sent) return failure_.failed() ? failure_.error() : sent.error();
  }
}

void BulkReceiver::hurry() {
  std::lock_guard lock(mutex_);
  if (std::exchange(hurried_, true)) return;
  for (std::thread& thread : threads_) make_urgent(thread.native_handle());
  if (delivering_) make_urgent(*delivering_);
}

void BulkReceiver::cancel() { failure_.fail(cancelled_error()); }

void BulkReceiver::close() {
  failure_.fail(Error{Code::closed, "the receiver was closed"});
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  std::lock_guard lock(mutex_);
  // Not when the last reference to this object goes, which may be long after.
  options_.memory.reset();
}

}  // namespace drover
