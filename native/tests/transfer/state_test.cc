// The VMM's device state, from one unix socket to another.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <numeric>
#include <thread>

#include "core/transfer/connect.h"
#include "transfer/transfer_pair.h"

namespace drover {
namespace {

using testing::kTestTimeoutMs;
using testing::PairOptions;
using testing::temporary_path;
using testing::TestMemory;
using testing::TransferPair;

const CancelToken& never() {
  static const auto token = CancelToken::create().take();
  return *token;
}

std::vector<uint8_t> state_of(size_t length) {
  std::vector<uint8_t> state(length);
  std::mt19937_64 random(length);
  for (uint8_t& byte : state) byte = static_cast<uint8_t>(random());
  return state;
}

// The source's VMM: connects, writes in uneven pieces, ends.
void write_state(const std::string& socket, const std::vector<uint8_t>& state) {
  auto fd = connect_unix(socket, deadline_in_ms(kTestTimeoutMs), never());
  ASSERT_TRUE(fd.ok()) << fd.error().message;
  auto stream = Stream::adopt(fd.take(), kTestTimeoutMs, never());
  std::mt19937_64 random(1);
  for (size_t at = 0; at < state.size();) {
    const size_t piece = std::min(state.size() - at, 1 + random() % 100'000);
    if (!stream.value().send(std::span(state).subspan(at, piece)).ok()) return;
    at += piece;
  }
}

// The destination's VMM: takes one connection and everything that comes over it.
class Vmm {
 public:
  Vmm() : path(temporary_path("vmm")), listener_(listen_unix(path).take()) {
    thread_ = std::thread([this] {
      if (!wait_ready(listener_.get(), POLLIN, deadline_in_ms(kTestTimeoutMs), never(), "").ok()) return;
      auto stream = Stream::adopt(UniqueFd(::accept(listener_.get(), nullptr, nullptr)), kTestTimeoutMs, never());
      std::vector<uint8_t> buffer(50'000);
      for (;;) {
        auto bytes = stream.value().receive_some(buffer, deadline_in_ms(kTestTimeoutMs));
        if (!bytes.ok() || bytes.value() == 0) return;
        received_.insert(received_.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(bytes.value()));
      }
    });
  }
  ~Vmm() {
    if (thread_.joinable()) thread_.join();
    ::unlink(path.c_str());
  }
  std::vector<uint8_t> received() {
    thread_.join();
    return received_;
  }
  const std::string path;

 private:
  UniqueFd listener_;
  std::vector<uint8_t> received_;
  std::thread thread_;
};

TEST(State, EveryLengthArrivesByteForByte_R3) {
  for (const size_t length : {size_t{0}, size_t{1}, size_t{206'005}, size_t{1} << 20, (size_t{5} << 20) + 3}) {
    TestMemory memory({1});
    TransferPair pair(memory, memory);
    pair.connect();
    Vmm vmm;
    const std::vector<uint8_t> state = state_of(length);
    std::thread source([&] { write_state(pair.state_socket, state); });
    auto sent = pair.sender->state_sent();
    source.join();
    ASSERT_TRUE(sent.ok()) << sent.error().message;
    EXPECT_EQ(sent.value().bytes, length);
    ASSERT_TRUE(pair.receiver->connect_to_vmm(vmm.path, kTestTimeoutMs).ok());
    auto delivered = pair.receiver->deliver(kTestTimeoutMs);
    ASSERT_TRUE(delivered.ok()) << delivered.error().message;
    EXPECT_EQ(delivered.value(), length);
    EXPECT_EQ(vmm.received(), state);
    EXPECT_EQ(pair.sender->counters()->get(Counter::state_bytes), length);
    EXPECT_EQ(pair.receiver->counters()->get(Counter::state_bytes), length);
  }
}

TEST(State, AStateAtTheLimitPassesAndOneByteMoreFailsOnBothSides_R6) {
  TestMemory memory({1});
  for (const size_t excess : {0, 1}) {
    TransferPair pair(memory, memory, PairOptions{.state_limit = 300'000});
    pair.connect();
    std::thread source([&] { write_state(pair.state_socket, state_of(300'000 + excess)); });
    auto sent = pair.sender->state_sent();
    source.join();
    ASSERT_EQ(sent.ok(), excess == 0);
    if (excess == 0) continue;
    EXPECT_EQ(sent.error().code, Code::limit);
    EXPECT_FALSE(pair.receiver->deliver(kTestTimeoutMs).ok());
    ASSERT_EQ(pair.await_failures().size(), 1u);
  }
}

TEST(State, ItsSocketIsPrivateAndGoesWithTheSender_R12) {
  TestMemory memory({1});
  TransferPair pair(memory, memory);
  EXPECT_NE(::access(pair.state_socket.c_str(), F_OK), 0);
  pair.connect();
  struct stat status;
  ASSERT_EQ(::stat(pair.state_socket.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  pair.sender->close();
  EXPECT_NE(::access(pair.state_socket.c_str(), F_OK), 0);
}

TEST(State, APathThatIsTakenOrTooLongIsRefused) {
  TestMemory memory({1});
  const std::string taken = temporary_path("taken");
  const UniqueFd holder = listen_unix(taken).take();
  for (const std::string& path : {taken, std::string(108, 'x')}) {
    auto sender = BulkSender::create({memory.core, "127.0.0.1", 1, 1, 1, {}, 1000, 1000, path, 1}).take();
    EXPECT_FALSE(sender->connect().ok());
  }
  EXPECT_EQ(::access(taken.c_str(), F_OK), 0) << "somebody else's socket stays";
  ::unlink(taken.c_str());
}

TEST(State, TheVmmReadsTheBeginningWhileTheSourceStillSavesTheEnd) {
  TestMemory memory({1});
  TransferPair pair(memory, memory);
  pair.connect();
  const std::vector<uint8_t> state = state_of(300'000);
  auto source = Stream::adopt(connect_unix(pair.state_socket, deadline_in_ms(kTestTimeoutMs), never()).take(),
                              kTestTimeoutMs, never())
                    .take();
  ASSERT_TRUE(source.send(std::span(state).first(100'000)).ok());

  const std::string path = temporary_path("vmm");
  UniqueFd listener = listen_unix(path).take();
  Result<uint64_t> delivered = uint64_t{0};
  std::thread delivery([&] {
    if (auto connected = pair.receiver->connect_to_vmm(path, kTestTimeoutMs); !connected)
      delivered = connected.error();
    else
      delivered = pair.receiver->deliver(kTestTimeoutMs);
  });
  ASSERT_TRUE(wait_ready(listener.get(), POLLIN, deadline_in_ms(kTestTimeoutMs), never(), "").ok());
  auto vmm = Stream::adopt(UniqueFd(::accept(listener.get(), nullptr, nullptr)), kTestTimeoutMs, never()).take();
  std::vector<uint8_t> received(100'000);
  ASSERT_TRUE(vmm.receive(received).ok());

  ASSERT_TRUE(source.send(std::span(state).subspan(100'000)).ok());
  source.shut_down();
  std::vector<uint8_t> rest(200'000);
  ASSERT_TRUE(vmm.receive(rest).ok());
  delivery.join();
  ASSERT_TRUE(delivered.ok()) << delivered.error().message;
  EXPECT_EQ(delivered.value(), state.size());
  received.insert(received.end(), rest.begin(), rest.end());
  EXPECT_EQ(received, state);
  ::unlink(path.c_str());
}

TEST(State, DeliveryWaitsForTheStateAndForTheVmmNoLongerThanItsDeadline_R6) {
  TestMemory memory({1});
  TransferPair pair(memory, memory);
  pair.connect();
  EXPECT_EQ(pair.receiver->connect_to_vmm("/nowhere", 1000).error().code, Code::connection_lost);
  Vmm vmm;
  ASSERT_TRUE(pair.receiver->connect_to_vmm(vmm.path, kTestTimeoutMs).ok());
  EXPECT_EQ(pair.receiver->deliver(20).error().code, Code::timeout);
  write_state(pair.state_socket, state_of(10));
  ASSERT_TRUE(pair.sender->state_sent().ok());
  EXPECT_TRUE(pair.receiver->deliver(kTestTimeoutMs).ok());
  EXPECT_EQ(vmm.received(), state_of(10));
  EXPECT_TRUE(pair.failures().empty());
}

TEST(State, AVmmThatStallsInTheMiddleEndsTheTransfer_R6) {
  TestMemory memory({1});
  TransferPair pair(memory, memory, PairOptions{.stall_ms = 200});
  pair.connect();
  auto fd = connect_unix(pair.state_socket, deadline_in_ms(kTestTimeoutMs), never());
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  EXPECT_TRUE(pair.failures().empty()) << "before its first byte a VMM has all the time it needs";
  ASSERT_EQ(::send(fd.value().get(), "x", 1, MSG_NOSIGNAL), 1);
  EXPECT_EQ(pair.sender->state_sent().error().code, Code::timeout);
}

TEST(State, ASourceThatClosesAfterTheStateHasEndedInOrder) {
  TestMemory memory({10});
  TransferPair pair(memory, memory);
  pair.connect();
  ASSERT_TRUE(pair.sender->send_round(0, nullptr, std::make_shared<DirtyBitmap>(10)).ok());
  write_state(pair.state_socket, state_of(1000));
  ASSERT_TRUE(pair.sender->state_sent().ok());
  pair.sender->close();
  EXPECT_EQ(pair.receiver->wait_round(1, kTestTimeoutMs).error().code, Code::connection_lost);
  EXPECT_TRUE(pair.receiver->wait_round(0, 1).ok());
  EXPECT_TRUE(pair.failures().empty());
}

TEST(State, ASenderWithoutAStateSocketHasNoStateToWaitFor) {
  TestMemory memory({1});
  TransferPair pair(memory, memory, PairOptions{.state = false});
  pair.connect();
  EXPECT_EQ(pair.sender->state_sent().error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace drover
