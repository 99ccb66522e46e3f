// A real sender with one page channel, connected to a destination that the test plays.
#pragma once

#include <functional>
#include <future>
#include <memory>

#include "core/transfer/bulk_sender.h"
#include "transfer/raw_peer.h"
#include "transfer/test_memory.h"

namespace drover::testing {

class RawDestination {
 public:
  RawDestination(const TestMemory& source, int64_t stall_ms) {
    sender = BulkSender::create({source.core, "127.0.0.1", peer_.port(), 1, 1, {}, 5'000, stall_ms, "", 1}).take();
    auto connecting = std::async(std::launch::async, [this] { return sender->connect(); });
    pages = peer_.accept();
    state = peer_.accept();
    for (const UniqueFd& fd : {std::cref(pages), std::cref(state)}) {
      EXPECT_EQ(RawPeer::receive(fd, kPreambleBytes + kBulkHelloBytes).size(), kPreambleBytes + kBulkHelloBytes);
      RawPeer::send(fd, encode_preamble({1, 1, Role::bulk}));
    }
    EXPECT_TRUE(connecting.get().ok());
  }

  std::shared_ptr<BulkSender> sender;
  UniqueFd pages;  // the destination's ends; preambles and hello are behind them
  UniqueFd state;

 private:
  RawPeer peer_;
};

}  // namespace drover::testing
