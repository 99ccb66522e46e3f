// A sender and a receiver joined by real loopback connections.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/transfer/bulk_receiver.h"
#include "core/transfer/bulk_sender.h"
#include "core/transfer/peer_listener.h"
#include "transfer/test_memory.h"

namespace drover::testing {

inline constexpr int64_t kTestTimeoutMs = 20'000;

inline std::string temporary_path(const std::string& name) {
  static std::atomic<int> number{0};
  return "/tmp/drover-test-" + std::to_string(::getpid()) + "-" + std::to_string(number++) + "-" + name;
}

struct PairOptions {
  uint16_t connections = 2;
  int64_t stall_ms = 10'000;
  uint64_t state_limit = 64 << 20;
  bool state = true;
  uint16_t version = kNewestVersion;  // of the peer protocol
};

class TransferPair {
 public:
  TransferPair(const TestMemory& source, const TestMemory& destination, PairOptions options = {}) {
    auto created = BulkReceiver::create({destination.core, options.connections, options.version, options.stall_ms,
                                         options.state_limit, [this](const Error& error) {
                                           std::lock_guard lock(mutex_);
                                           failures_.push_back(error);
                                           failed_.notify_all();
                                         }});
    EXPECT_TRUE(created.ok());
    receiver = created.take();
    auto listening = PeerListener::open({"127.0.0.1", 0, kTestTimeoutMs, 100, [this](Handshake handshake) {
                                           auto added =
                                               receiver->add_channel(std::move(handshake.fd), *handshake.hello);
                                           EXPECT_TRUE(added.ok());
                                         }});
    EXPECT_TRUE(listening.ok());
    listener = listening.take();
    state_socket = options.state ? temporary_path("state") : "";
    auto sending = BulkSender::create({source.core,
                                       "127.0.0.1",
                                       listener->port(),
                                       options.connections,
                                       options.version,
                                       {},
                                       5'000,
                                       options.stall_ms,
                                       state_socket,
                                       options.state_limit});
    EXPECT_TRUE(sending.ok());
    sender = sending.take();
  }

  ~TransferPair() {
    listener->close();
    sender->close();
    receiver->close();
  }

  void connect() {
    auto connected = sender->connect();
    ASSERT_TRUE(connected.ok()) << connected.error().message;
    ASSERT_TRUE(receiver->wait_connected(kTestTimeoutMs).ok());
  }

  std::vector<Error> failures() {
    std::lock_guard lock(mutex_);
    return failures_;
  }

  // The same once there is one: waits end on a failure before it is reported.
  std::vector<Error> await_failures() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(failed_.wait_for(lock, std::chrono::milliseconds(kTestTimeoutMs), [&] { return !failures_.empty(); }));
    return failures_;
  }

  std::shared_ptr<BulkReceiver> receiver;
  std::shared_ptr<BulkSender> sender;
  std::unique_ptr<PeerListener> listener;
  std::string state_socket;

 private:
  std::mutex mutex_;
  std::condition_variable failed_;
  std::vector<Error> failures_;
};

}  // namespace drover::testing
