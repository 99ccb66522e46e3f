// What a source may not do to a destination. The channels run right here on one end of a socket pair; the other end
// holds everything that the source ever says and is closed, so no wait is long.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <random>

#include "core/base/little_endian.h"
#include "core/simd/crc32c.h"
#include "core/transfer/receiver_channel.h"
#include "core/transfer/round_digest.h"
#include "core/transfer/round_ledger.h"
#include "core/transfer/state_receiver.h"
#include "transfer/raw_peer.h"
#include "transfer/test_memory.h"

namespace drover {
namespace {

using testing::RawPeer;
using testing::TestMemory;

using Bytes = std::vector<uint8_t>;

const CancelToken& never() {
  static const auto token = CancelToken::create().take();
  return *token;
}

// The stream's near end; at the far end are `said` and the end of the stream.
Stream stream_of(const Bytes& said, UniqueFd& far) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  far = UniqueFd(ends[1]);
  RawPeer::limit_waits(far);
  EXPECT_TRUE(RawPeer::send(far, said));
  EXPECT_EQ(::shutdown(ends[1], SHUT_WR), 0);
  return Stream::adopt(UniqueFd(ends[0]), 5'000, never()).take();
}

class OneChannel : public RoundKeeper {
 public:
  bool open_round(size_t channel, uint32_t round) override { return ledger_.open(channel, round); }
  void end_round(size_t channel, bool torn) override { ledger_.end(channel, torn); }

 private:
  RoundLedger ledger_{1};
};

Status receive(const TestMemory& memory, const Bytes& said, uint16_t version = 1) {
  UniqueFd far;
  CounterBlock counters;
  OneChannel rounds;
  ReceiverChannel channel(0, version, *memory.core, counters, never(), rounds, stream_of(said, far));
  return channel.run();
}

void append(Bytes& to, std::span<const uint8_t> bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

Bytes data_frame(uint16_t region, uint32_t round, uint64_t offset, uint32_t pages, uint8_t fill) {
  const Bytes payload(pages * kPageSize, fill);
  Bytes frame;
  append(frame,
         encode_frame({FrameType::data, region, round, pages, offset, crc32c(0, payload.data(), payload.size())}));
  append(frame, payload);
  return frame;
}

Bytes header(FrameType type, uint16_t region, uint32_t round, uint32_t count, uint64_t offset, uint32_t crc = 0) {
  Bytes frame;
  append(frame, encode_frame({type, region, round, count, offset, crc}));
  return frame;
}

Bytes whole_memory(const TestMemory& memory) {
  Bytes bytes;
  for (uint64_t page = 0; page < memory.core->pages(); page++) append(bytes, memory.read(page));
  return bytes;
}

TEST(HostileSource, AFrameThatIsWrongInAnyFieldEndsTheTransferBeforeMemoryIsTouched_R6) {
  TestMemory memory({4, 0, 2});
  for (uint64_t page = 0; page < 6; page++) memory.fill(page, page);
  const Bytes before = whole_memory(memory);
  const std::vector<std::pair<const char*, Bytes>> wrong = {
      {"region past the last", header(FrameType::data, 3, 0, 1, 0)},
      {"region of no pages", header(FrameType::data, 1, 0, 1, 0)},
      {"run past the end", header(FrameType::data, 0, 0, 2, 3 * kPageSize)},
      {"run behind the end", header(FrameType::data, 0, 0, 1, 4 * kPageSize)},
      {"run far behind the end", header(FrameType::data, 0, 0, 1, UINT64_MAX - 2 * kPageSize + 1)},
      {"run that wraps", header(FrameType::data, 0, 0, 256, UINT64_MAX - kPageSize + 1)},
      {"offset inside a page", header(FrameType::data, 0, 0, 1, 1)},
      {"no pages", header(FrameType::data, 0, 0, 0, 0)},
      {"too many pages", header(FrameType::data, 0, 0, kMaxDataRunPages + 1, 0)},
      {"zero run past the end", header(FrameType::zero, 2, 0, 3, 0)},
      {"zero run that wraps", header(FrameType::zero, 2, 0, kMaxRunPages, UINT64_MAX - kPageSize + 1)},
      {"zero run too long", header(FrameType::zero, 0, 0, kMaxRunPages + 1, 0)},
      {"zero run with a payload checksum", header(FrameType::zero, 0, 0, 1, 0, 1)},
      {"round end with a wrong count", header(FrameType::round_end, 0, 0, 1, 0)},
      {"torn from a source", header(FrameType::torn, 0, 0, 1, 0)},
      {"acknowledgement from a source", header(FrameType::round_end_ack, 0, 0, 0, 0)},
      {"state on a page channel", header(FrameType::state, 0, 0, 1, 0)},
      {"state end on a page channel", header(FrameType::state_end, 0, 0, 0, 0)},
      {"unknown mandatory type", header(static_cast<FrameType>(0x0109), 0, 0, 0, 0)},
      {"type of the control channel", header(static_cast<FrameType>(0x0009), 0, 0, 0, 0)},
  };
  for (auto [name, bytes] : wrong) {
    // Whatever the frame claims to carry is there to be read.
    bytes.resize(bytes.size() + 16 * kPageSize, 0xee);
    auto received = receive(memory, bytes);
    ASSERT_FALSE(received.ok()) << name;
    EXPECT_EQ(received.error().code, Code::peer_violation) << name;
    EXPECT_EQ(whole_memory(memory), before) << name;
    EXPECT_TRUE(memory.guards_intact()) << name;
  }
}

TEST(HostileSource, RoundsOutOfOrderAreRefused_R6) {
  TestMemory memory({4});
  const auto end = [](uint32_t round) { return header(FrameType::round_end, 0, round, 0, 0); };
  const auto joined = [](std::initializer_list<Bytes> parts) {
    Bytes all;
    for (const Bytes& part : parts) append(all, part);
    return all;
  };
  EXPECT_TRUE(receive(memory, joined({end(0), end(1), end(7)})).ok());
  EXPECT_FALSE(receive(memory, joined({end(1), end(1)})).ok());
  EXPECT_FALSE(receive(memory, joined({end(7), end(6)})).ok());
  EXPECT_FALSE(receive(memory, joined({data_frame(0, 3, 0, 1, 1), data_frame(0, 4, 0, 1, 2)})).ok());
  EXPECT_FALSE(receive(memory, joined({data_frame(0, 3, 0, 1, 1), end(3)})).ok()) << "a frame less than was sent";
  auto cut = receive(memory, data_frame(0, 3, 0, 1, 1));
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code, Code::connection_lost) << "the end of the stream is no end of a round";
}

TEST(HostileSource, APageOfTheNextRoundIsRefusedUntilEveryChannelHasEndedTheOneBefore_R3) {
  RoundLedger ledger(2);
  EXPECT_TRUE(ledger.open(0, 0));
  EXPECT_FALSE(ledger.end(0, false));
  EXPECT_FALSE(ledger.open(0, 1)) << "channel 1 has not ended round 0";
  EXPECT_FALSE(ledger.open(0, 0)) << "channel 0 has ended round 0";
  EXPECT_FALSE(ledger.open(1, 1)) << "round 0 is under way";
  EXPECT_TRUE(ledger.open(1, 0));
  EXPECT_TRUE(ledger.end(1, false));
  EXPECT_EQ(ledger.completed(), 0);
  EXPECT_FALSE(ledger.open(1, 0));
  EXPECT_TRUE(ledger.open(1, UINT32_MAX));
  EXPECT_TRUE(ledger.open(0, UINT32_MAX));
}

TEST(HostileSource, ARoundThatCameDamagedIsEndedAndNotWhole_R3) {
  RoundLedger ledger(2);
  EXPECT_FALSE(ledger.whole());
  for (const size_t damaged : {0u, 1u}) {
    const uint32_t round = 2 * static_cast<uint32_t>(damaged);
    EXPECT_TRUE(ledger.open(0, round) && ledger.open(1, round));
    EXPECT_FALSE(ledger.end(0, damaged == 0));
    EXPECT_TRUE(ledger.end(1, damaged == 1));
    EXPECT_EQ(ledger.completed(), round);
    EXPECT_FALSE(ledger.whole()) << "channel " << damaged;
    EXPECT_TRUE(ledger.open(0, round + 1) && ledger.open(1, round + 1));
    EXPECT_FALSE(ledger.end(0, false));
    EXPECT_FALSE(ledger.whole()) << "the repair is on its way";
    EXPECT_TRUE(ledger.end(1, false));
    EXPECT_TRUE(ledger.whole());
  }
}

// Once into pages that are not there and once into pages that are: the two ways in which a run is received.
class Damage : public ::testing::TestWithParam<bool> {};

TEST_P(Damage, OfAPayloadIsNamedTornAndNothingElseIsLost_R3) {
  TestMemory memory({300, 300});
  for (uint64_t page = 0; GetParam() && page < 600; page++) memory.fill(page, page);
  Bytes said;
  append(said, data_frame(0, 0, 298 * kPageSize, 2, 1));
  append(said, data_frame(1, 0, 0, 3, 2));
  append(said, data_frame(1, 0, 100 * kPageSize, 1, 3));
  said[32 + 100] ^= 1;
  said[32 + 2 * kPageSize + 32 + 5] ^= 1;
  append(said, header(FrameType::round_end, 0, 0, 3, 0));
  UniqueFd far;
  CounterBlock counters;
  OneChannel rounds;
  {
    ReceiverChannel channel(0, 1, *memory.core, counters, never(), rounds, stream_of(said, far));
    ASSERT_TRUE(channel.run().ok());
  }
  EXPECT_EQ(counters.get(Counter::torn_pages), 5u);
  // The torn runs are neighbours by page number, but a run never leaves its region.
  Bytes expected;
  append(expected, header(FrameType::torn, 0, 0, 2, 298 * kPageSize));
  append(expected, header(FrameType::torn, 1, 0, 3, 0));
  append(expected, header(FrameType::round_end_ack, 0, 0, 2, 0));
  EXPECT_EQ(RawPeer::receive(far, 1000), expected);
  EXPECT_EQ(memory.read(400), Bytes(kPageSize, 3));
}

INSTANTIATE_TEST_SUITE_P(HostileSource, Damage, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "IntoPagesThatAreThere" : "IntoHoles"; });

// The end of a round whose headers are `headers`, as version 2 has it.
Bytes round_end(uint32_t round, const std::vector<Bytes>& frames) {
  RoundDigest digest;
  for (const Bytes& frame : frames) {
    FrameHeaderBytes head;
    std::copy_n(frame.begin(), head.size(), head.begin());
    digest.add(head);
  }
  return header(FrameType::round_end, 0, round, static_cast<uint32_t>(frames.size()), 0, digest.value());
}

// Frames, then the end of the round, which tells of the frames that were meant.
Bytes round_of(const std::vector<Bytes>& frames, const std::vector<Bytes>& meant, uint32_t round) {
  Bytes said;
  for (const Bytes& frame : frames) append(said, frame);
  append(said, round_end(round, meant));
  return said;
}

TEST(HostileSource, FramesThatAreRightEachByItselfButNotWhatWasMeantEndTheTransfer_R3) {
  TestMemory memory({8, 8});
  const Bytes a = data_frame(0, 0, 0, 2, 0x11);
  const Bytes b = header(FrameType::zero, 1, 0, 2, 0);
  const Bytes c = data_frame(0, 0, 4 * kPageSize, 1, 0x22);
  const Bytes elsewhere = data_frame(1, 0, 4 * kPageSize, 1, 0x22);
  EXPECT_TRUE(receive(memory, round_of({a, b, c}, {a, b, c}, 0), 2).ok());
  EXPECT_TRUE(receive(memory, round_of({}, {}, 0), 2).ok());
  const std::vector<std::pair<const char*, std::vector<Bytes>>> wrong = {
      {"one lost and one doubled", {a, b, b}},
      {"two swapped", {b, a, c}},
      {"one that belongs elsewhere", {a, b, elsewhere}},
      {"another in its place", {a, b, header(FrameType::zero, 0, 0, 1, 4 * kPageSize)}},
  };
  for (const auto& [name, frames] : wrong) {
    auto received = receive(memory, round_of(frames, {a, b, c}, 0), 2);
    ASSERT_FALSE(received.ok()) << name;
    EXPECT_EQ(received.error().code, Code::peer_violation) << name;
    EXPECT_NE(received.error().message.find("digest"), std::string::npos) << received.error().message;
  }
}

TEST(HostileSource, TheDigestOfARoundTellsNothingOfTheRoundBefore) {
  TestMemory memory({8});
  Bytes said = round_of({data_frame(0, 0, 0, 1, 1)}, {data_frame(0, 0, 0, 1, 1)}, 0);
  append(said, round_of({data_frame(0, 1, 0, 1, 2)}, {data_frame(0, 1, 0, 1, 2)}, 1));
  EXPECT_TRUE(receive(memory, said, 2).ok());
}

TEST(HostileSource, ATornRunIsNoDifferenceToTheDigest_R3) {
  TestMemory memory({8});
  const Bytes meant = data_frame(0, 0, 0, 2, 1);
  Bytes damaged = meant;
  damaged[kFrameHeaderBytes + 7] ^= 1;
  EXPECT_TRUE(receive(memory, round_of({damaged}, {meant}, 0), 2).ok());
}

// A short life of a page channel: every frame type, two rounds.
Bytes honest_stream() {
  Bytes said;
  append(said, data_frame(0, 0, 0, 2, 0x11));
  append(said, header(FrameType::zero, 2, 0, 2, 0));
  append(said, data_frame(2, 0, kPageSize, 1, 0x22));
  append(said, header(FrameType::round_end, 0, 0, 3, 0));
  append(said, header(FrameType::zero, 0, 1, 4, 0));
  append(said, data_frame(0, 1, 3 * kPageSize, 1, 0x33));
  append(said, header(FrameType::round_end, 0, 1, 2, 0));
  return said;
}

// Where the headers of honest_stream() are.
std::vector<size_t> header_offsets(const Bytes& stream) {
  std::vector<size_t> offsets;
  for (size_t at = 0; at < stream.size();) {
    FrameHeader frame;
    EXPECT_EQ(decode_frame(kNewestVersion, std::span(stream).subspan(at), frame), Refusal::ok);
    offsets.push_back(at);
    at += kFrameHeaderBytes + payload_bytes(frame);
  }
  return offsets;
}

TEST(HostileSource, AStreamThatEndsAnywhereIsASuccessOnlyBetweenTwoRounds_R6) {
  TestMemory memory({4, 0, 2});
  const Bytes honest = honest_stream();
  const std::vector<size_t> headers = header_offsets(honest);
  std::vector<size_t> cuts = headers;
  for (const size_t at : headers) cuts.insert(cuts.end(), {at + 1, at + 31, std::min(at + 32, honest.size()), at + 20});
  cuts.push_back(honest.size());
  for (const size_t cut : cuts) {
    auto received = receive(memory, Bytes(honest.begin(), honest.begin() + static_cast<std::ptrdiff_t>(cut)));
    const bool between_rounds = cut == 0 || cut == headers[4] || cut == honest.size();
    ASSERT_EQ(received.ok(), between_rounds) << "cut at " << cut;
    if (!between_rounds) {
      ASSERT_EQ(received.error().code, Code::connection_lost) << "cut at " << cut;
    }
  }
}

void reseal(Bytes& stream, size_t at) { put_le<uint32_t>(&stream[at + 28], crc32c(0, &stream[at], 28)); }

// One mutation: some break the checksum, some keep it right so that the fields themselves are judged.
void mutate(Bytes& stream, const std::vector<size_t>& headers, std::mt19937_64& random) {
  static const std::vector<uint64_t> extremes = {0,
                                                 1,
                                                 2,
                                                 255,
                                                 256,
                                                 257,
                                                 4095,
                                                 4096,
                                                 8192,
                                                 0x7fff,
                                                 0x8000,
                                                 0xffff,
                                                 1u << 20,
                                                 (1u << 20) + 1,
                                                 UINT32_MAX,
                                                 1ull << 63,
                                                 UINT64_MAX - 4095,
                                                 UINT64_MAX};
  const size_t at = headers[random() % headers.size()];
  const uint64_t value = random() % 3 == 0 ? random() : extremes[random() % extremes.size()];
  switch (random() % 8) {
    case 0: stream[random() % stream.size()] ^= static_cast<uint8_t>(1u << (random() % 8)); return;
    case 1: stream.resize(random() % stream.size()); return;
    case 2: stream[at + random() % 28] = static_cast<uint8_t>(value); break;
    case 3: put_le<uint16_t>(&stream[at + 2 * (random() % 4)], static_cast<uint16_t>(value)); break;
    case 4: put_le<uint32_t>(&stream[at + 8 + 4 * (random() % 2)], static_cast<uint32_t>(value)); break;
    case 5: put_le<uint64_t>(&stream[at + 16], value); break;
    case 6: put_le<uint16_t>(&stream[at], static_cast<uint16_t>(0x0100 + random() % 12)); break;
    default: {
      const Bytes piece(stream.begin() + static_cast<std::ptrdiff_t>(at), stream.end());
      append(stream, piece);
      return;
    }
  }
  reseal(stream, at);
}

class Mutations : public ::testing::TestWithParam<uint16_t> {};

TEST_P(Mutations, TwentyThousandNeverCrashHangOrWriteOutside_R6) {
  const uint16_t version = GetParam();
  const std::vector<Bytes> frames = {data_frame(0, 0, 0, 2, 0x11), header(FrameType::zero, 2, 0, 2, 0)};
  const Bytes honest = version == 1 ? honest_stream() : round_of(frames, frames, 0);
  const std::vector<size_t> headers = header_offsets(honest);
  std::mt19937_64 random(20);
  TestMemory memory({4, 0, 2});
  TestMemory other({2});
  other.fill(0, 1);
  const Bytes other_before = whole_memory(other);
  ASSERT_TRUE(receive(memory, honest, version).ok());
  int refused = 0;
  for (int i = 0; i < 20'000; i++) {
    Bytes stream = honest;
    mutate(stream, headers, random);
    if (!receive(memory, stream, version).ok()) refused++;
  }
  EXPECT_TRUE(memory.guards_intact());
  EXPECT_EQ(whole_memory(other), other_before);
  EXPECT_GT(refused, 10'000);
}

INSTANTIATE_TEST_SUITE_P(HostileSource, Mutations, ::testing::Values(1, 2));

Result<Bytes> receive_state(const Bytes& said, uint64_t limit) {
  UniqueFd far;
  CounterBlock counters;
  StateReceiver receiver(kNewestVersion, limit, counters, stream_of(said, far));
  Bytes state;
  auto length = receiver.run([&](std::span<const uint8_t> piece) { append(state, piece); });
  if (!length) return length.error();
  EXPECT_EQ(length.value(), state.size());
  return state;
}

Bytes state_frame(uint64_t offset, const Bytes& payload) {
  Bytes frame = header(FrameType::state, 0, 0, static_cast<uint32_t>(payload.size()), offset,
                       crc32c(0, payload.data(), payload.size()));
  append(frame, payload);
  return frame;
}

TEST(HostileSource, AStateOutOfOrderDamagedOrTooLongIsRefusedBeforeItTakesMemory_R6) {
  const Bytes piece(1000, 7);
  const uint32_t crc = crc32c(0, piece.data(), piece.size());
  Bytes honest = state_frame(0, piece);
  append(honest, header(FrameType::state_end, 0, 0, 0, 1000, crc));
  ASSERT_TRUE(receive_state(honest, 1000).ok());
  EXPECT_EQ(receive_state(honest, 999).error().code, Code::limit);
  EXPECT_EQ(receive_state(state_frame(1, piece), 5000).error().code, Code::peer_violation);
  EXPECT_EQ(receive_state(header(FrameType::state_end, 0, 0, 0, 1, 0), 5000).error().code, Code::peer_violation);
  EXPECT_EQ(receive_state(header(FrameType::state_end, 0, 0, 0, 0, 5), 5000).error().code, Code::peer_violation);
  EXPECT_EQ(receive_state(header(FrameType::round_end, 0, 0, 0, 0), 5000).error().code, Code::peer_violation);
  EXPECT_EQ(receive_state(state_frame(0, piece), 5000).error().code, Code::connection_lost);
  Bytes damaged = honest;
  damaged[40] ^= 1;
  EXPECT_EQ(receive_state(damaged, 5000).error().code, Code::peer_violation);
}

TEST(HostileSource, MutatedStateNeverArrivesAsSomethingElse_R3_R6) {
  Bytes honest = state_frame(0, Bytes(100, 1));
  append(honest, state_frame(100, Bytes(50, 2)));
  Bytes state(100, 1);
  state.resize(150, 2);
  append(honest, header(FrameType::state_end, 0, 0, 0, 150, crc32c(0, state.data(), state.size())));
  const std::vector<size_t> headers = header_offsets(honest);
  std::mt19937_64 random(21);
  for (int i = 0; i < 5'000; i++) {
    Bytes stream = honest;
    mutate(stream, headers, random);
    auto received = receive_state(stream, 4096);
    if (received.ok()) {
      ASSERT_EQ(received.value(), state);
    }
  }
}

}  // namespace
}  // namespace drover
