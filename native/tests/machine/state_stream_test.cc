#include "core/machine/state_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "transfer/hex.h"

namespace drover::machine {
namespace {

using testing::from_hex;

// From the machine protocol's golden vectors (vectors/machine.json).
constexpr const char* kNoPayloads = "444d5300010000000000000000000000000000000d7b8400";
constexpr const char* kOne =
    "444d53000100000001000000360000003dc0292d726b6e47"
    "04000e000100000018000000636f6d316d616368696e652f73657269616c"
    "000102030405060708090a0b0c0d0e0f1011121314151617";

Payload serial() {
  Payload payload{"com1", "machine/serial", 1, {}};
  for (uint8_t byte = 0; byte < 24; byte++) payload.data.push_back(byte);
  return payload;
}

std::vector<Payload> some(std::mt19937_64& random) {
  std::vector<Payload> payloads(random() % 8);
  for (Payload& payload : payloads) {
    for (std::string* name : {&payload.instance, &payload.kind}) {
      name->resize(1 + random() % 64);
      for (char& letter : *name) letter = static_cast<char>('!' + random() % 94);
    }
    payload.version = static_cast<uint32_t>(random());
    payload.data.resize(random() % 300);
    for (uint8_t& byte : payload.data) byte = static_cast<uint8_t>(random());
  }
  return payloads;
}

TEST(StateStream, IsByteForByteAsTheProtocolSays_R7) {
  EXPECT_EQ(encode_state_stream({}), from_hex(kNoPayloads));
  EXPECT_EQ(encode_state_stream({serial()}), from_hex(kOne));
  EXPECT_EQ(decode_state_stream(from_hex(kNoPayloads)).value(), std::vector<Payload>{});
  EXPECT_EQ(decode_state_stream(from_hex(kOne)).value(), std::vector<Payload>{serial()});
}

TEST(StateStream, ComesOutAsItWentIn) {
  std::mt19937_64 random(5);
  for (int turn = 0; turn < 500; turn++) {
    const std::vector<Payload> payloads = some(random);
    auto read = decode_state_stream(encode_state_stream(payloads));
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read.value(), payloads);
  }
}

TEST(StateStream, IsRefusedWhereverItIsCutOrABitIsTurned_R6) {
  const std::vector<uint8_t> whole = from_hex(kOne);
  for (size_t bytes = 0; bytes < whole.size(); bytes++) {
    EXPECT_EQ(decode_state_stream({whole.data(), bytes}).error().code, Code::peer_violation) << bytes;
  }
  for (size_t bit = 0; bit < whole.size() * 8; bit++) {
    std::vector<uint8_t> damaged = whole;
    damaged[bit / 8] = static_cast<uint8_t>(damaged[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_FALSE(decode_state_stream(damaged).ok()) << "bit " << bit;
  }
  std::vector<uint8_t> longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(decode_state_stream(longer).ok());
}

TEST(StateStream, OfAnyBytesIsRefusedAndReadsNothingBeyondThem_R6) {
  std::mt19937_64 random(6);
  for (int turn = 0; turn < 20'000; turn++) {
    std::vector<uint8_t> bytes(random() % 200);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    EXPECT_FALSE(decode_state_stream(bytes).ok());
  }
}

// Right checksums around wrong lengths: what a peer that means harm sends.
TEST(StateStream, WhoseChecksumsAreRightAndWhoseLengthsAreNotIsRefused_R6) {
  const auto with = [](auto change) {
    std::vector<Payload> payloads{serial()};
    change(payloads[0]);
    return decode_state_stream(encode_state_stream(payloads));
  };
  EXPECT_FALSE(with([](Payload& payload) { payload.instance.clear(); }).ok());
  EXPECT_FALSE(with([](Payload& payload) { payload.kind.assign(65, 'k'); }).ok());
  EXPECT_FALSE(with([](Payload& payload) { payload.kind = "machine serial"; }).ok());
  EXPECT_FALSE(with([](Payload& payload) { payload.data.resize((1 << 20) + 1); }).ok());
  EXPECT_TRUE(with([](Payload& payload) { payload.data.resize(1 << 20); }).ok());
  EXPECT_FALSE(decode_state_stream(encode_state_stream(std::vector<Payload>(4097, serial()))).ok());
}

}  // namespace
}  // namespace drover::machine
