// A real sender connected to a destination that the test plays.
#pragma once

#include <future>
#include <memory>
#include <vector>

#include "core/transfer/bulk_sender.h"
#include "transfer/raw_peer.h"
#include "transfer/test_memory.h"

namespace drover::testing {

class RawDestination {
 public:
  RawDestination(const TestMemory& source, int64_t stall_ms, uint16_t channels = 1) {
    sender =
        BulkSender::create({source.core, "127.0.0.1", peer_.port(), channels, 1, {}, 5'000, stall_ms, "", 1}).take();
    auto connecting = std::async(std::launch::async, [this] { return sender->connect(); });
    for (uint16_t channel = 0; channel < channels; channel++) pages.push_back(welcome());
    state = welcome();
    EXPECT_TRUE(connecting.get().ok());
  }

  std::shared_ptr<BulkSender> sender;
  // The destination's ends; preamble and hello are behind them.
  std::vector<UniqueFd> pages;
  UniqueFd state;

 private:
  UniqueFd welcome() {
    constexpr size_t kGreeting = kPreambleBytes + kBulkHelloBytes;
    UniqueFd fd = peer_.accept();
    EXPECT_EQ(RawPeer::receive(fd, kGreeting).size(), kGreeting);
    RawPeer::send(fd, encode_preamble({1, 1, Role::bulk}));
    return fd;
  }

  RawPeer peer_;
};

}  // namespace drover::testing
