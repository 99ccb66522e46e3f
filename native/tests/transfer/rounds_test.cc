// Rounds from sender to receiver over real loopback connections.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "transfer/transfer_pair.h"

namespace drover {
namespace {

using testing::first_difference;
using testing::kTestTimeoutMs;
using testing::PairOptions;
using testing::TestMemory;
using testing::TransferPair;

std::shared_ptr<DirtyBitmap> bitmap_for(const TestMemory& memory) {
  return std::make_shared<DirtyBitmap>(memory.core->pages());
}

TEST(Rounds, AFullPassCopiesDataAndNeverTouchesHolesOrSendsZeroes_R3) {
  TestMemory source({3000, 0, 1, 700});
  TestMemory destination({3000, 0, 1, 700});
  uint64_t data = 0;
  uint64_t zeroes = 0;
  for (uint64_t page = 0; page < source.core->pages(); page++) {
    if (page % 700 < 300) continue;  // a hole
    if (page % 3 == 0) {
      std::memset(source.guest_page(page), 0, kPageSize);
      zeroes++;
    } else {
      source.fill(page, page);
      data++;
    }
  }
  const uint64_t allocated = source.allocated_pages();
  TransferPair pair(source, destination);
  pair.connect();
  auto torn = bitmap_for(source);
  auto round = pair.sender->send_round(0, nullptr, torn);
  ASSERT_TRUE(round.ok()) << round.error().message;
  EXPECT_TRUE(pair.receiver->wait_round(0, kTestTimeoutMs).ok());
  EXPECT_EQ(round.value().data_pages, data);
  EXPECT_EQ(round.value().zero_pages, zeroes);
  EXPECT_EQ(round.value().torn_pages, 0u);
  EXPECT_EQ(torn->count(), 0u);
  EXPECT_EQ(source.allocated_pages(), allocated);
  EXPECT_EQ(destination.allocated_pages(), data);
  EXPECT_EQ(first_difference(source, destination), -1);
  EXPECT_TRUE(destination.guards_intact());
  EXPECT_GE(round.value().wire_bytes, data * kPageSize);
  EXPECT_EQ(pair.sender->counters()->get(Counter::data_pages), data);
  EXPECT_EQ(pair.sender->counters()->get(Counter::wire_bytes), round.value().wire_bytes);
  EXPECT_EQ(pair.sender->counters()->get(Counter::round_pages), data + zeroes);
  EXPECT_EQ(pair.sender->counters()->get(Counter::round_pages_done), data + zeroes);
  EXPECT_EQ(pair.receiver->counters()->get(Counter::data_pages), data);
}

class Versions : public ::testing::TestWithParam<uint16_t> {};

TEST_P(Versions, DirtyRoundsSendExactlyWhatIsAskedAndHolesGoAsZero_R3) {
  std::mt19937_64 random(7);
  TestMemory source({900, 1, 0, 1300});
  TestMemory destination({900, 1, 0, 1300});
  for (uint64_t page = 0; page < source.core->pages(); page++) {
    if (page % 5 != 0) source.fill(page, page);
  }
  TransferPair pair(source, destination, PairOptions{.connections = 3, .version = GetParam()});
  pair.connect();
  auto torn = bitmap_for(source);
  ASSERT_TRUE(pair.sender->send_round(0, nullptr, torn).ok());
  for (uint32_t round = 1; round <= 20; round++) {
    auto dirty = bitmap_for(source);
    for (int change = 0; change < 300; change++) {
      const uint64_t page = random() % source.core->pages();
      const uint64_t kind = random() % 10;
      dirty->set(page);
      if (kind < 6) {
        source.fill(page, random());
      } else if (kind < 8) {
        std::memset(source.guest_page(page), 0, kPageSize);
      }  // otherwise as it is, a hole perhaps
    }
    const uint64_t allocated = source.allocated_pages();
    auto sent = pair.sender->send_round(round, dirty, torn);
    ASSERT_TRUE(sent.ok()) << sent.error().message;
    ASSERT_TRUE(pair.receiver->wait_round(round, kTestTimeoutMs).ok());
    ASSERT_EQ(sent.value().data_pages + sent.value().zero_pages, dirty->count());
    ASSERT_EQ(source.allocated_pages(), allocated);
    ASSERT_EQ(first_difference(source, destination), -1) << "round " << round;
  }
  EXPECT_EQ(torn->count(), 0u);
  EXPECT_TRUE(destination.guards_intact());
}

INSTANTIATE_TEST_SUITE_P(Rounds, Versions, ::testing::Values(1, 2));

TEST(Rounds, EverythingMarkedDirtyMakesStaleDestinationMemoryEqual_R5) {
  TestMemory source({5000});
  TestMemory destination({5000});
  for (uint64_t page = 0; page < 5000; page++) {
    destination.fill(page, 1'000'000 + page);
    if (page < 100 || page % 50 == 7) source.fill(page, page);
  }
  TransferPair pair(source, destination);
  pair.connect();
  auto all = bitmap_for(source);
  all->set_all();
  auto sent = pair.sender->send_round(0, all, bitmap_for(source));
  ASSERT_TRUE(sent.ok());
  EXPECT_EQ(sent.value().data_pages + sent.value().zero_pages, 5000u);
  EXPECT_EQ(first_difference(source, destination), -1);
  EXPECT_LT(source.allocated_pages(), 210u);
}

TEST(Rounds, OnePageAndEmptyGuestsMoveToo) {
  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{1}, {0}, {}, {0, 1, 0}}) {
    TestMemory source(shape);
    TestMemory destination(shape);
    if (source.core->pages() > 0) source.fill(0, 42);
    TransferPair pair(source, destination, PairOptions{.connections = 4});
    pair.connect();
    auto torn = bitmap_for(source);
    ASSERT_TRUE(pair.sender->send_round(0, nullptr, torn).ok());
    auto all = bitmap_for(source);
    all->set_all();
    ASSERT_TRUE(pair.sender->send_round(1, all, torn).ok());
    ASSERT_TRUE(pair.receiver->wait_round(1, kTestTimeoutMs).ok());
    EXPECT_EQ(first_difference(source, destination), -1);
  }
}

// The guest writes all the time; what it writes after a round began is in the next round's set, as a tracker would
// report it. The last round comes after its pause.
TEST(Rounds, AWriterDuringTheRoundsEndsEqualAfterAQuietLastRound_R3) {
  constexpr uint64_t kPages = 4096;
  TestMemory source({kPages});
  TestMemory destination({kPages});
  for (uint64_t page = 0; page < kPages; page++) source.fill(page, page);
  TransferPair pair(source, destination);
  pair.connect();
  std::atomic<bool> paused{false};
  std::mutex tracker;
  auto written = bitmap_for(source);
  std::thread guest([&] {
    std::mt19937_64 random(11);
    while (!paused) {
      const uint64_t page = random() % kPages;
      // Mark and write are one step, as write protection makes them.
      std::lock_guard lock(tracker);
      written->set(page);
      for (int word = 0; word < 64; word++) {
        reinterpret_cast<volatile uint64_t*>(source.guest_page(page))[random() % 512] = random();
      }
    }
  });
  auto torn = bitmap_for(source);
  const auto take = [&] {
    std::lock_guard lock(tracker);
    auto taken = written;
    written = bitmap_for(source);
    return taken;
  };
  ASSERT_TRUE(pair.sender->send_round(0, nullptr, torn).ok());
  for (uint32_t round = 1; round <= 15; round++) {
    auto dirty = take();
    ASSERT_TRUE(dirty->merge(*torn).ok());
    torn->clear();
    ASSERT_TRUE(pair.sender->send_round(round, dirty, torn).ok());
  }
  paused = true;
  guest.join();
  auto last = take();
  ASSERT_TRUE(last->merge(*torn).ok());
  auto still_torn = bitmap_for(source);
  ASSERT_TRUE(pair.sender->send_round(16, last, still_torn).ok());
  ASSERT_TRUE(pair.receiver->wait_round(16, kTestTimeoutMs).ok());
  EXPECT_EQ(still_torn->count(), 0u) << "nobody wrote during the last round";
  EXPECT_EQ(first_difference(source, destination), -1);
}

TEST(Rounds, ARoundIsTakenOneAtATimeAndRoundsRise) {
  TestMemory source({100});
  TestMemory destination({100});
  TransferPair pair(source, destination);
  auto torn = bitmap_for(source);
  EXPECT_EQ(pair.sender->send_round(0, nullptr, torn).error().code, Code::invalid_argument);
  pair.connect();
  ASSERT_TRUE(pair.sender->send_round(5, nullptr, torn).ok());
  EXPECT_EQ(pair.sender->send_round(5, nullptr, torn).error().code, Code::invalid_argument);
  EXPECT_EQ(pair.sender->send_round(6, torn, torn).error().code, Code::invalid_argument);
  EXPECT_EQ(pair.sender->send_round(6, std::make_shared<DirtyBitmap>(99), torn).error().code, Code::invalid_argument);
  EXPECT_TRUE(pair.sender->send_round(6, nullptr, torn).ok());
  EXPECT_EQ(pair.sender->connect().error().code, Code::invalid_argument);
  EXPECT_TRUE(pair.receiver->wait_round(6, 1).ok());
  EXPECT_EQ(pair.receiver->wait_round(7, 1).error().code, Code::timeout);
  EXPECT_TRUE(pair.failures().empty());
}

TEST(Rounds, TheBandwidthLimitHoldsOverAllChannelsAndMayChangeOnTheWay) {
  TestMemory source({4000});
  TestMemory destination({4000});
  for (uint64_t page = 0; page < 4000; page++) source.fill(page, page);
  TransferPair pair(source, destination, PairOptions{.connections = 4});
  pair.connect();
  constexpr double kRate = 20'000'000;
  pair.sender->set_bandwidth(static_cast<uint64_t>(kRate));
  const auto start = Clock::now();
  std::thread faster([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    const auto bytes = static_cast<double>(pair.sender->counters()->get(Counter::wire_bytes));
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    // An upper bound only, because a busy machine may be slower: the rate, a burst, and 15 %.
    EXPECT_LE(bytes, kRate * (seconds + 0.01) * 1.15);
    pair.sender->set_bandwidth(0);
  });
  auto sent = pair.sender->send_round(0, nullptr, bitmap_for(source));
  faster.join();
  ASSERT_TRUE(sent.ok());
  EXPECT_GE(sent.value().duration_micros, 380'000);
  EXPECT_GT(pair.sender->counters()->get(Counter::throttled_micros), 0u);
  EXPECT_EQ(first_difference(source, destination), -1);
}

}  // namespace
}  // namespace drover
