// How a transfer ends early: cancelled, closed, stalled, or left by its peer.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <future>
#include <thread>

#include "transfer/raw_destination.h"
#include "transfer/transfer_pair.h"

namespace drover {
namespace {

using testing::PairOptions;
using testing::RawDestination;
using testing::RawPeer;
using testing::TestMemory;
using testing::TransferPair;

std::shared_ptr<DirtyBitmap> bitmap_for(const TestMemory& memory) {
  return std::make_shared<DirtyBitmap>(memory.core->pages());
}

size_t open_descriptors() {
  size_t count = 0;
  for (int fd = 0; fd < 4096; fd++) {
    if (::fcntl(fd, F_GETFD) >= 0) count++;
  }
  return count;
}

TEST(Ending, CancellingTheSenderInTheMiddleOfARoundEndsBothSides_R12) {
  TestMemory source({4000});
  TestMemory destination({4000});
  for (uint64_t page = 0; page < 4000; page++) source.fill(page, page);
  TransferPair pair(source, destination);
  pair.connect();
  pair.sender->set_bandwidth(100'000);  // the bucket is what the channels wait for
  auto round = std::async(std::launch::async, [&] { return pair.sender->send_round(0, nullptr, bitmap_for(source)); });
  auto state = std::async(std::launch::async, [&] { return pair.sender->state_sent(); });
  auto ended = std::async(std::launch::async, [&] { return pair.receiver->wait_round(0, 60'000); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto start = Clock::now();
  pair.sender->cancel();
  EXPECT_EQ(round.get().error().code, Code::cancelled);
  EXPECT_EQ(state.get().error().code, Code::cancelled);
  EXPECT_EQ(ended.get().error().code, Code::connection_lost);
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
  EXPECT_EQ(pair.await_failures().size(), 1u);
  EXPECT_EQ(pair.sender->send_round(1, nullptr, bitmap_for(source)).error().code, Code::cancelled);
}

TEST(Ending, CancellingTheReceiverEndsBothSides_R12) {
  TestMemory source({4000});
  TestMemory destination({4000});
  for (uint64_t page = 0; page < 4000; page++) source.fill(page, page);
  TransferPair pair(source, destination);
  pair.connect();
  pair.sender->set_bandwidth(1'000'000);
  auto round = std::async(std::launch::async, [&] { return pair.sender->send_round(0, nullptr, bitmap_for(source)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  pair.receiver->cancel();
  EXPECT_EQ(pair.receiver->wait_round(0, 60'000).error().code, Code::cancelled);
  EXPECT_EQ(round.get().error().code, Code::connection_lost);
  ASSERT_EQ(pair.await_failures().size(), 1u);
  EXPECT_EQ(pair.failures()[0].code, Code::cancelled);
}

TEST(Ending, ClosingIsPromptIdempotentAndLeavesNoDescriptorBehind_R12) {
  TestMemory source({100});
  TestMemory destination({100});
  const size_t before = open_descriptors();
  {
    TransferPair pair(source, destination, PairOptions{.connections = 8});
    pair.connect();
    const auto start = Clock::now();
    pair.sender->close();
    pair.sender->close();
    pair.receiver->close();
    pair.receiver->close();
    pair.listener->close();
    EXPECT_LT(Clock::now() - start, std::chrono::seconds(5));
    EXPECT_EQ(pair.sender->send_round(0, nullptr, bitmap_for(source)).error().code, Code::closed);
    EXPECT_EQ(pair.sender->connect().error().code, Code::closed);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Ending, CancellingWhileConnectingEndsIt_R12) {
  TestMemory source({1});
  // Listens, but nobody ever answers the hello.
  RawPeer peer;
  auto sender = BulkSender::create({source.core, "127.0.0.1", peer.port(), 2, 1, {}, 60'000, 60'000, "", 1}).take();
  auto connecting = std::async(std::launch::async, [&] { return sender->connect(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  sender->cancel();
  EXPECT_EQ(connecting.get().error().code, Code::cancelled);
}

TEST(Ending, APeerThatNeverWelcomesMeetsTheDeadline_R6) {
  TestMemory source({1});
  RawPeer peer;
  auto sender = BulkSender::create({source.core, "127.0.0.1", peer.port(), 2, 1, {}, 100, 60'000, "", 1}).take();
  EXPECT_EQ(sender->connect().error().code, Code::timeout);
}

TEST(Ending, NobodyListeningIsSaidAtOnce) {
  TestMemory source({1});
  uint16_t port;
  {
    RawPeer peer;
    port = peer.port();
  }
  auto sender = BulkSender::create({source.core, "127.0.0.1", port, 1, 1, {}, 5'000, 5'000, "", 1}).take();
  auto connected = sender->connect();
  EXPECT_EQ(connected.error().code, Code::connection_lost);
  EXPECT_EQ(connected.error().error_number, ECONNREFUSED);
}

TEST(Ending, APeerThatSpeaksAnotherVersionIsRefusedByName_R7) {
  TestMemory source({1});
  RawPeer peer;
  auto sender = BulkSender::create({source.core, "127.0.0.1", peer.port(), 1, 1, {}, 5'000, 5'000, "", 1}).take();
  auto connecting = std::async(std::launch::async, [&] { return sender->connect(); });
  const UniqueFd pages = peer.accept();
  const UniqueFd state = peer.accept();
  RawPeer::send(pages, encode_preamble({2, 3, Role::bulk}));
  RawPeer::send(state, encode_preamble({2, 3, Role::bulk}));
  auto connected = connecting.get();
  EXPECT_EQ(connected.error().code, Code::unsupported);
  EXPECT_NE(connected.error().message.find("2 to 3"), std::string::npos);
}

// The destination's process dies after having taken any number of bytes.
TEST(Ending, ADestinationThatGoesAwayAnywhereFailsTheRound_R6) {
  TestMemory source({64});
  for (uint64_t page = 0; page < 64; page++) source.fill(page, page);
  constexpr size_t kRoundBytes = kFrameHeaderBytes + 64 * kPageSize + kFrameHeaderBytes;
  for (const size_t taken : {size_t{0}, size_t{31}, size_t{32}, size_t{32 + 4096}, kRoundBytes - 32, kRoundBytes}) {
    RawDestination destination(source, 5'000);
    auto round =
        std::async(std::launch::async, [&] { return destination.sender->send_round(0, nullptr, bitmap_for(source)); });
    RawPeer::receive(destination.pages[0], taken);
    destination.pages[0].reset();
    EXPECT_EQ(round.get().error().code, Code::connection_lost) << "after " << taken << " bytes";
  }
}

TEST(Ending, ARoundIsOverOnlyWhenEveryChannelIsAcknowledged_R3) {
  TestMemory source({10});
  for (uint64_t page = 0; page < 10; page++) source.fill(page, page);
  RawDestination destination(source, 10'000, 3);
  auto round =
      std::async(std::launch::async, [&] { return destination.sender->send_round(4, nullptr, bitmap_for(source)); });
  const FrameHeaderBytes acknowledgement = encode_frame({FrameType::round_end_ack, 0, 4, 0, 0, 0});
  RawPeer::send(destination.pages[2], acknowledgement);
  RawPeer::send(destination.pages[0], acknowledgement);
  EXPECT_EQ(round.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  RawPeer::send(destination.pages[1], acknowledgement);
  EXPECT_TRUE(round.get().ok());
}

TEST(Ending, ASourceThatStallsInsideAFrameMeetsTheStallTimeAndOneThatIsSilentBetweenFramesDoesNot_R6) {
  TestMemory destination({4});
  std::promise<Error> failed;
  auto receiver = BulkReceiver::create({destination.core, 1, 1, 200, 0,
                                        [&](const Error& error) {
                                          if (error.code != Code::closed) failed.set_value(error);
                                        }})
                      .take();
  RawPeer peer;
  const UniqueFd pages = RawPeer::connect(peer.port());
  ASSERT_TRUE(receiver->add_channel(peer.accept(), encode_bulk_hello({{}, BulkKind::pages, 0, 1})).ok());
  const UniqueFd state = RawPeer::connect(peer.port());
  ASSERT_TRUE(receiver->add_channel(peer.accept(), encode_bulk_hello({{}, BulkKind::state, 0, 1})).ok());
  auto failure = failed.get_future();
  RawPeer::send(pages, encode_frame({FrameType::zero, 0, 0, 1, 0, 0}));
  EXPECT_EQ(failure.wait_for(std::chrono::milliseconds(500)), std::future_status::timeout);
  RawPeer::send(pages, encode_frame({FrameType::data, 0, 0, 1, 0, 0}));
  EXPECT_EQ(failure.get().code, Code::timeout);
}

TEST(Ending, AHelloThatDoesNotFitIsClosedAndHarmsNothingElse_R6) {
  TestMemory destination({4});
  std::atomic<int> failures{0};
  auto receiver = BulkReceiver::create({destination.core, 2, 1, 5'000, 0, [&](const Error&) { failures++; }}).take();
  RawPeer peer;
  const auto add = [&](const BulkHelloBytes& hello) {
    const UniqueFd source = RawPeer::connect(peer.port());
    auto added = receiver->add_channel(peer.accept(), hello);
    EXPECT_EQ(RawPeer::receive(source, kPreambleBytes).size(), added.ok() ? kPreambleBytes : 0);
    return std::pair(added.ok() ? Code::closed : added.error().code, UniqueFd(::dup(source.get())));
  };
  const auto first = add(encode_bulk_hello({{}, BulkKind::pages, 0, 2}));
  const auto state = add(encode_bulk_hello({{}, BulkKind::state, 0, 2}));
  EXPECT_EQ(first.first, Code::closed);
  EXPECT_EQ(state.first, Code::closed);
  EXPECT_EQ(add(encode_bulk_hello({{}, BulkKind::pages, 0, 2})).first, Code::peer_violation) << "twice";
  EXPECT_EQ(add(encode_bulk_hello({{}, BulkKind::state, 0, 2})).first, Code::peer_violation) << "twice";
  EXPECT_EQ(add(encode_bulk_hello({{}, BulkKind::pages, 1, 3})).first, Code::peer_violation) << "another number";
  EXPECT_EQ(add(encode_bulk_hello({{}, BulkKind::pages, 2, 2})).first, Code::peer_violation) << "no such channel";
  EXPECT_EQ(receiver->wait_connected(1).error().code, Code::timeout);
  const auto second = add(encode_bulk_hello({{}, BulkKind::pages, 1, 2}));
  EXPECT_TRUE(receiver->wait_connected(5'000).ok());
  EXPECT_EQ(failures, 0);
}

TEST(Ending, ADestinationThatTakesNothingMoreMeetsTheStallTime_R6) {
  TestMemory source({8000});
  for (uint64_t page = 0; page < 8000; page++) source.fill(page, page);
  RawDestination destination(source, 300);
  const auto start = Clock::now();
  EXPECT_EQ(destination.sender->send_round(0, nullptr, bitmap_for(source)).error().code, Code::timeout);
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(290));
}

TEST(Ending, ADestinationThatNeverAcknowledgesMeetsTheStallTime_R6) {
  TestMemory source({1});
  source.fill(0, 1);
  RawDestination destination(source, 200);
  EXPECT_EQ(destination.sender->send_round(0, nullptr, bitmap_for(source)).error().code, Code::timeout);
}

}  // namespace
}  // namespace drover
