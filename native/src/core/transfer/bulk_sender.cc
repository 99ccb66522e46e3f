#include "core/transfer/bulk_sender.h"

#include "core/scheduling/urgency.h"
#include "core/transfer/connect.h"
#include "core/transfer/run_check.h"

namespace drover {

namespace {

int64_t micros_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
}

Error misuse(const std::string& message) { return Error{Code::invalid_argument, message}; }

}  // namespace

Result<std::shared_ptr<BulkSender>> BulkSender::create(SenderOptions options) {
  if (options.connections < 1 || options.connections > kMaxChannels) return misuse("connections must be 1 to 64");
  if (!speaks_version(options.version)) return misuse("version must be 1 or 2");
  if (options.connect_timeout_ms < 1 || options.stall_timeout_ms < 1) return misuse("time-outs must be at least 1 ms");
  if (options.frame_pages < 1 || options.frame_pages > kMaxDataRunPages) return misuse("frames hold 1 to 256 pages");
  if (options.memory->region_count() > UINT16_MAX) return misuse("at most 65535 regions can be sent");
  auto token = CancelToken::create();
  if (!token) return token.error();
  return std::shared_ptr<BulkSender>(new BulkSender(std::move(options), token.take()));
}

BulkSender::BulkSender(SenderOptions options, std::shared_ptr<CancelToken> token)
    : options_(std::move(options)),
      failure_(std::move(token),
               [this](const Error&) {
                 limit_.wake();
                 // Empty on purpose: whoever is about to wait has looked at the failure under the lock.
                 { std::lock_guard lock(mutex_); }
                 changed_.notify_all();
               }),
      data_map_(*options_.memory) {}

BulkSender::~BulkSender() { close(); }

Status BulkSender::connect() {
  {
    std::lock_guard lock(mutex_);
    if (failure_.failed()) return failure_.error();
    if (connecting_) return misuse("connect() was called before");
    connecting_ = true;
    if (!options_.state_socket.empty()) {
      auto socket = StateSocket::open(options_.state_socket);
      if (!socket) return socket.error();
      state_socket_.emplace(socket.take());
    }
  }
  const Deadline deadline = deadline_in_ms(options_.connect_timeout_ms);
  const auto failed = [this](const Error& error) {
    failure_.fail(error);
    return failure_.error();
  };
  // All hellos leave before the first welcome is awaited, so that they wait for the network once.
  std::vector<Stream> streams;
  for (uint16_t index = 0; index <= options_.connections; index++) {
    const bool state = index == options_.connections;
    BulkHello hello{options_.token, state ? BulkKind::state : BulkKind::pages, state ? uint16_t{0} : index,
                    options_.connections};
    auto stream = open_channel(hello, deadline);
    if (!stream) return failed(stream.error());
    streams.push_back(stream.take());
  }
  for (Stream& stream : streams) {
    if (auto welcome = await_welcome(stream, deadline); !welcome) return failed(welcome.error());
  }
  Stream state = std::move(streams.back());
  streams.pop_back();
  return start(std::move(streams), std::move(state));
}

Result<Stream> BulkSender::open_channel(const BulkHello& hello, Deadline deadline) {
  auto fd = connect_tcp(options_.host, options_.port, deadline, failure_.token());
  if (!fd) return fd.error();
  auto stream = Stream::adopt(fd.take(), options_.stall_timeout_ms, failure_.token());
  if (!stream) return stream;
  PreambleBytes preamble = encode_preamble({options_.version, options_.version, Role::bulk});
  BulkHelloBytes greeting = encode_bulk_hello(hello);
  iovec parts[2] = {{preamble.data(), preamble.size()}, {greeting.data(), greeting.size()}};
  if (auto sent = stream.value().send(parts, deadline); !sent) return sent.error();
  return stream;
}

Status BulkSender::await_welcome(Stream& stream, Deadline deadline) {
  PreambleBytes bytes;
  auto received = stream.receive_unless_ended(bytes, deadline);
  if (!received) return received.error();
  if (!received.value())
    return Error{Code::connection_lost, "the destination closed a bulk connection instead of welcoming it"};
  Preamble answer;
  if (const Refusal refusal = decode_preamble(bytes, answer); refusal != Refusal::ok) {
    return violation(std::string("a preamble with a wrong field: ") + refusal_name(refusal));
  }
  if (answer.role != Role::bulk) return violation("a preamble of another role");
  if (answer.oldest > options_.version || answer.newest < options_.version) {
    return Error{Code::unsupported, "the destination's bulk channels speak peer protocol " +
                                        std::to_string(answer.oldest) + " to " + std::to_string(answer.newest) +
                                        ", not the agreed " + std::to_string(options_.version)};
  }
  return success();
}

Status BulkSender::start(std::vector<Stream> pages, Stream state) {
  std::lock_guard lock(mutex_);
  if (failure_.failed()) return failure_.error();
  const SenderShared shared{*options_.memory, limit_,           *counters_,
                            failure_.token(), options_.version, options_.frame_pages};
  for (Stream& stream : pages) {
    channels_.push_back(std::make_unique<SenderChannel>(shared, data_map_, std::move(stream)));
  }
  for (auto& channel : channels_) {
    threads_.emplace_back([this, &channel = *channel] { channel_thread(channel); });
  }
  threads_.emplace_back([this, peer = std::move(state)]() mutable { state_thread(std::move(peer)); });
  connected_ = true;
  return success();
}

void BulkSender::channel_thread(SenderChannel& channel) {
  for (uint64_t seen = 0;;) {
    std::shared_ptr<SenderRound> round;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return rounds_started_ > seen || failure_.failed(); });
      if (rounds_started_ == seen) break;
      seen = rounds_started_;
      round = round_;
    }
    if (auto done = channel.run(*round); !done) failure_.fail(done.error());
    {
      std::lock_guard lock(mutex_);
      channels_busy_--;
    }
    changed_.notify_all();
  }
  channel.shut_down();
}

void BulkSender::state_thread(Stream peer) {
  const auto work = [&]() -> Result<StateTotals> {
    auto vmm = state_socket_->accept(failure_.token());
    if (!vmm) return vmm.error();
    const auto start = Clock::now();
    auto stream = Stream::adopt(vmm.take(), options_.stall_timeout_ms, failure_.token());
    if (!stream) return stream.error();
    auto bytes = forward_state(stream.value(), peer, options_.version, options_.state_limit, *counters_,
                               options_.stall_timeout_ms);
    if (!bytes) return bytes.error();
    return StateTotals{bytes.value(), micros_since(start)};
  };
  if (!options_.state_socket.empty()) {
    auto totals = work();
    if (totals) {
      std::lock_guard lock(mutex_);
      state_ = totals.value();
    } else {
      failure_.fail(totals.error());
    }
    changed_.notify_all();
  }
  // The connection stays until the end: closing it now would look like a broken transfer to the destination.
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failure_.failed(); });
  peer.shut_down();
}

Result<RoundTotals> BulkSender::send_round(uint32_t round, std::shared_ptr<const DirtyBitmap> pages,
                                           std::shared_ptr<DirtyBitmap> torn) {
  std::shared_ptr<GuestMemory> held;
  {
    std::lock_guard lock(mutex_);
    if (failure_.failed()) return failure_.error();
    held = options_.memory;
  }
  const GuestMemory& memory = *held;
  if ((pages && pages->pages() != memory.pages()) || torn->pages() != memory.pages()) {
    return misuse("a bitmap of another memory's size");
  }
  if (pages == torn) return misuse("the pages of a round and its torn pages need two bitmaps");
  uint64_t round_pages = pages ? pages->count() : 0;
  if (!pages) {
    auto data = memory.data_pages();
    if (!data) return data.error();
    round_pages = data.value();
  }
  const auto start = Clock::now();
  auto work = std::make_shared<SenderRound>(memory, round, std::move(pages), std::move(torn));
  {
    std::unique_lock lock(mutex_);
    if (failure_.failed()) return failure_.error();
    if (!connected_) return misuse("send_round() before connect()");
    if (round_) return misuse("a round is under way");
    if (round <= last_round_) return misuse("rounds must rise");
    counters_->set(Counter::round, round);
    counters_->set(Counter::round_pages, round_pages);
    counters_->set(Counter::round_pages_done, 0);
    last_round_ = round;
    round_ = work;
    rounds_started_++;
    channels_busy_ = channels_.size();
  }
  changed_.notify_all();
  {
    std::unique_lock lock(mutex_);
    // A failure ends every channel's work, so this ends too; no channel works on the caller's bitmaps afterwards.
    changed_.wait(lock, [&] { return channels_busy_ == 0; });
    round_.reset();
  }
  if (failure_.failed()) return failure_.error();
  return RoundTotals{work->wire_bytes, work->data_pages, work->zero_pages, work->torn_pages, micros_since(start)};
}

Result<StateTotals> BulkSender::state_sent() {
  std::unique_lock lock(mutex_);
  if (options_.state_socket.empty()) return misuse("this sender has no state socket");
  changed_.wait(lock, [&] { return state_ || failure_.failed(); });
  if (state_) return *state_;
  return failure_.error();
}

void BulkSender::hurry() {
  std::lock_guard lock(mutex_);
  for (std::thread& thread : threads_) make_urgent(thread.native_handle());
}

void BulkSender::cancel() { failure_.fail(cancelled_error()); }

void BulkSender::close() {
  failure_.fail(Error{Code::closed, "the sender was closed"});
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  std::lock_guard lock(mutex_);
  state_socket_.reset();
  // Not when the last reference to this object goes, which may be long after.
  options_.memory.reset();
}

}  // namespace drover
