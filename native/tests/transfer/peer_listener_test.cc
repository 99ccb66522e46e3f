#include "core/transfer/peer_listener.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "transfer/hex.h"
#include "transfer/raw_peer.h"

namespace drover {
namespace {

using testing::RawPeer;

// A listener that keeps what it was handed.
class Doorman {
 public:
  explicit Doorman(int64_t handshake_ms = 10'000, size_t max_pending = 16) {
    auto opened = PeerListener::open({"127.0.0.1", 0, handshake_ms, max_pending, [this](Handshake handshake) {
                                        std::lock_guard lock(mutex_);
                                        taken_.push_back(std::move(handshake));
                                        came_.notify_all();
                                      }});
    EXPECT_TRUE(opened.ok());
    listener = opened.take();
  }
  ~Doorman() { listener->close(); }

  Handshake next() {
    std::unique_lock lock(mutex_);
    const bool came = came_.wait_for(lock, std::chrono::seconds(10), [&] { return !taken_.empty(); });
    EXPECT_TRUE(came);
    if (!came) return {};
    Handshake first = std::move(taken_.front());
    taken_.erase(taken_.begin());
    return first;
  }
  size_t count() {
    std::lock_guard lock(mutex_);
    return taken_.size();
  }

  std::unique_ptr<PeerListener> listener;

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Handshake> taken_;
};

bool closed_by_peer(const UniqueFd& fd) {
  uint8_t byte;
  return ::recv(fd.get(), &byte, 1, 0) <= 0 && errno != EAGAIN;
}

TEST(PeerListener, HandsOverAControlConnectionAfterSixteenBytesAndReadsNoFurther) {
  Doorman doorman;
  const UniqueFd fd = RawPeer::connect(doorman.listener->port());
  const PreambleBytes preamble = encode_preamble({1, 2, Role::control});
  std::vector<uint8_t> bytes(preamble.begin(), preamble.end());
  bytes.insert(bytes.end(), {'m', 'o', 'r', 'e'});
  RawPeer::send(fd, bytes);
  const Handshake handshake = doorman.next();
  EXPECT_EQ(handshake.preamble, preamble);
  EXPECT_FALSE(handshake.hello.has_value());
  EXPECT_EQ(RawPeer::receive(handshake.fd, 4), (std::vector<uint8_t>{'m', 'o', 'r', 'e'}));
}

TEST(PeerListener, WaitsForTheHelloOfABulkConnectionByteByByte) {
  Doorman doorman;
  const UniqueFd fd = RawPeer::connect(doorman.listener->port());
  const PreambleBytes preamble = encode_preamble({1, 1, Role::bulk});
  const BulkHelloBytes hello = encode_bulk_hello({{9}, BulkKind::pages, 3, 4});
  for (const uint8_t byte : preamble) RawPeer::send(fd, {&byte, 1});
  for (const uint8_t byte : hello) RawPeer::send(fd, {&byte, 1});
  const Handshake handshake = doorman.next();
  EXPECT_EQ(handshake.preamble, preamble);
  EXPECT_EQ(handshake.hello, hello);
}

TEST(PeerListener, ClosesWhatDoesNotBeginLikeAPeer_R6) {
  Doorman doorman;
  for (const char* hex :
       {"474554202f20485454502f312e310d0a", "44525652020001000100010000000000", "44525652010001000100010001000000",
        "44525652010001000100090000000000", "00000000000000000000000000000000"}) {
    const UniqueFd fd = RawPeer::connect(doorman.listener->port());
    RawPeer::send(fd, testing::from_hex(hex));
    EXPECT_TRUE(closed_by_peer(fd)) << hex;
  }
  const UniqueFd fd = RawPeer::connect(doorman.listener->port());
  RawPeer::send(fd, encode_preamble({1, 1, Role::bulk}));
  BulkHelloBytes damaged = encode_bulk_hello({{}, BulkKind::pages, 0, 1});
  damaged[0] ^= 1;
  RawPeer::send(fd, damaged);
  EXPECT_TRUE(closed_by_peer(fd));
  EXPECT_EQ(doorman.count(), 0u);
}

TEST(PeerListener, ASilentConnectionMeetsTheDeadline_R6) {
  Doorman doorman(100);
  const UniqueFd silent = RawPeer::connect(doorman.listener->port());
  const UniqueFd slow = RawPeer::connect(doorman.listener->port());
  RawPeer::send(slow, encode_preamble({1, 1, Role::bulk}));
  const auto start = Clock::now();
  EXPECT_TRUE(closed_by_peer(silent));
  EXPECT_TRUE(closed_by_peer(slow));
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
}

TEST(PeerListener, ConnectionsAboveTheLimitAreClosedAndThoseBelowItAreServed_R6) {
  Doorman doorman(10'000, 4);
  std::vector<UniqueFd> pending;
  for (int i = 0; i < 4; i++) {
    pending.push_back(RawPeer::connect(doorman.listener->port()));
    RawPeer::send(pending.back(), std::vector<uint8_t>{'D'});
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(closed_by_peer(RawPeer::connect(doorman.listener->port())));
  const PreambleBytes preamble = encode_preamble({1, 1, Role::fault});
  for (const UniqueFd& fd : pending) RawPeer::send(fd, std::span(preamble).subspan(1));
  for (int i = 0; i < 4; i++) EXPECT_EQ(doorman.next().preamble, preamble);
}

TEST(PeerListener, ThousandsOfRandomBeginningsNeverCrashIt_R6) {
  // Room for all, so that the last one is not turned away for the crowd before it.
  Doorman doorman(10'000, 4'000);
  std::mt19937_64 random(5);
  for (int i = 0; i < 2'000; i++) {
    PreambleBytes preamble = encode_preamble({1, 1, random() % 2 ? Role::bulk : Role::control});
    std::vector<uint8_t> bytes(preamble.begin(), preamble.end());
    const BulkHelloBytes hello = encode_bulk_hello({{}, BulkKind::state, 0, 1});
    bytes.insert(bytes.end(), hello.begin(), hello.end());
    bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    bytes.resize(random() % (bytes.size() + 1));
    RawPeer::send(RawPeer::connect(doorman.listener->port()), bytes);
  }
  const UniqueFd fd = RawPeer::connect(doorman.listener->port());
  const PreambleBytes preamble = encode_preamble({1, 77, Role::fault});
  RawPeer::send(fd, preamble);
  for (int before = 0; before < 2'000 && doorman.next().preamble != preamble; before++) {
    ASSERT_FALSE(HasFailure());
  }
}

TEST(PeerListener, APortInUseIsNamed) {
  Doorman doorman;
  auto second = PeerListener::open({"127.0.0.1", doorman.listener->port(), 1000, 1, [](Handshake) {}});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().error_number, EADDRINUSE);
  EXPECT_NE(second.error().message.find(std::to_string(doorman.listener->port())), std::string::npos);
}

TEST(PeerListener, ClosingEndsPendingHandshakes_R12) {
  Doorman doorman;
  const UniqueFd fd = RawPeer::connect(doorman.listener->port());
  RawPeer::send(fd, std::vector<uint8_t>{'D'});
  doorman.listener->close();
  doorman.listener->close();
  EXPECT_TRUE(closed_by_peer(fd));
}

}  // namespace
}  // namespace drover
