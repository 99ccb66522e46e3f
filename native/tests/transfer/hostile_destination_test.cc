// What a destination may not do to a source.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>

#include "core/base/little_endian.h"
#include "core/simd/crc32c.h"
#include "core/transfer/sender_channel.h"
#include "transfer/raw_destination.h"
#include "transfer/raw_peer.h"
#include "transfer/test_memory.h"

namespace drover {
namespace {

using testing::RawDestination;
using testing::RawPeer;
using testing::TestMemory;

using Bytes = std::vector<uint8_t>;

Bytes frames(std::initializer_list<FrameHeader> headers) {
  Bytes bytes;
  for (const FrameHeader& header : headers) {
    const FrameHeaderBytes encoded = encode_frame(header);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  }
  return bytes;
}

struct Outcome {
  Status status;
  uint64_t torn_pages;
};

// A round of one page over a channel whose destination has said `answers` already and then ended.
Outcome send_to(const TestMemory& memory, const Bytes& answers) {
  static const auto cancel = CancelToken::create().take();
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd far(ends[1]);
  EXPECT_TRUE(RawPeer::send(far, answers));
  EXPECT_EQ(::shutdown(far.get(), SHUT_WR), 0);
  BandwidthLimit limit;
  CounterBlock counters;
  DataMap data_map(*memory.core);
  SenderChannel channel({*memory.core, limit, counters, *cancel, kNewestVersion}, data_map,
                        Stream::adopt(UniqueFd(ends[0]), 5'000, *cancel).take());
  auto torn = std::make_shared<DirtyBitmap>(memory.core->pages());
  SenderRound round(*memory.core, 9, nullptr, torn);
  Status status = channel.run(round);
  return {std::move(status), torn->count()};
}

TEST(HostileDestination, TornRunsAreAddedToTheCallersBitmap_R5) {
  TestMemory memory({4, 4});
  memory.fill(0, 1);
  auto sent =
      send_to(memory, frames({{FrameType::torn, 1, 9, 3, kPageSize, 0}, {FrameType::round_end_ack, 0, 9, 1, 0, 0}}));
  EXPECT_TRUE(sent.status.ok());
  EXPECT_EQ(sent.torn_pages, 3u);
}

TEST(HostileDestination, AnswersThatAreWrongInAnyFieldEndTheTransfer_R6) {
  TestMemory memory({4, 4});
  memory.fill(0, 1);
  const FrameHeader torn{FrameType::torn, 0, 9, 1, 0, 0};
  const std::vector<std::pair<const char*, Bytes>> wrong = {
      {"another round", frames({{FrameType::round_end_ack, 0, 8, 0, 0, 0}})},
      {"a wrong number of torn runs", frames({{FrameType::round_end_ack, 0, 9, 1, 0, 0}})},
      {"torn in another round", frames({{FrameType::torn, 0, 10, 1, 0, 0}})},
      {"torn in no region", frames({{FrameType::torn, 2, 9, 1, 0, 0}})},
      {"torn past the end", frames({{FrameType::torn, 1, 9, 5, 0, 0}})},
      {"torn behind the end", frames({{FrameType::torn, 1, 9, 1, 4 * kPageSize, 0}})},
      {"torn inside a page", frames({{FrameType::torn, 1, 9, 1, 1, 0}})},
      {"torn that wraps", frames({{FrameType::torn, 1, 9, 2, UINT64_MAX - kPageSize + 1, 0}})},
      {"more torn runs than were sent", frames({torn, torn, {FrameType::round_end_ack, 0, 9, 2, 0, 0}})},
      {"data from a destination", frames({{FrameType::data, 0, 9, 1, 0, 0}})},
      {"an end of round from a destination", frames({{FrameType::round_end, 0, 9, 0, 0, 0}})},
      {"state", frames({{FrameType::state_end_ack, 0, 0, 0, 0, 0}})},
      {"noise", Bytes(64, 0xab)},
  };
  for (const auto& [name, answers] : wrong) {
    auto sent = send_to(memory, answers);
    ASSERT_FALSE(sent.status.ok()) << name;
    EXPECT_EQ(sent.status.error().code, Code::peer_violation) << name;
  }
  EXPECT_EQ(send_to(memory, frames({torn})).status.error().code, Code::connection_lost);
  EXPECT_EQ(send_to(memory, {}).status.error().code, Code::connection_lost);
}

TEST(HostileDestination, TenThousandMutatedAnswersNeverCrashHangOrMarkPagesThatAreNotThere_R6) {
  TestMemory memory({4, 4});
  memory.fill(0, 1);
  const Bytes honest = frames({{FrameType::torn, 0, 9, 1, 0, 0}, {FrameType::round_end_ack, 0, 9, 1, 0, 0}});
  std::mt19937_64 random(30);
  int refused = 0;
  for (int i = 0; i < 10'000; i++) {
    Bytes answers = honest;
    const size_t at = kFrameHeaderBytes * (random() % 2);
    answers[at + random() % kFrameHeaderBytes] ^= static_cast<uint8_t>(1 + random() % 255);
    if (random() % 4 != 0) put_le<uint32_t>(&answers[at + 28], crc32c(0, &answers[at], 28));
    if (random() % 8 == 0) answers.resize(random() % answers.size());
    auto sent = send_to(memory, answers);
    ASSERT_LE(sent.torn_pages, 8u);
    if (!sent.status.ok()) refused++;
  }
  EXPECT_GT(refused, 8'000);
}

TEST(HostileDestination, ALieAboutTheStateIsNoSuccess_R3) {
  TestMemory memory({1});
  memory.fill(0, 1);
  RawDestination destination(memory, 5'000);
  auto torn = std::make_shared<DirtyBitmap>(1);
  auto round = std::async(std::launch::async, [&] { return destination.sender->send_round(0, nullptr, torn); });
  RawPeer::send(destination.pages[0], frames({{FrameType::state_end_ack, 0, 0, 0, 0, 0}}));
  EXPECT_EQ(round.get().error().code, Code::peer_violation);
}

}  // namespace
}  // namespace drover
