// The golden vectors of the peer protocol, shared with the TypeScript codecs: packages/protocol/vectors/peer-v1.txt.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "core/simd/crc32c.h"
#include "core/transfer/frames.h"
#include "transfer/hex.h"

namespace drover {
namespace {

using testing::from_hex;

struct Vector {
  bool valid;
  std::string kind;
  std::string name;
  std::vector<uint8_t> bytes;
  std::map<std::string, std::string> fields;
  std::string refusal;
};

// Lines of `kind name hex field=value …` and `invalid kind name hex refusal`.
std::vector<Vector> read_vectors() {
  std::ifstream file(std::string(DROVER_VECTORS_DIR) + "/peer-v1.txt");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Vector vector{};
    std::string hex;
    words >> vector.kind;
    vector.valid = vector.kind != "invalid";
    if (!vector.valid) words >> vector.kind;
    words >> vector.name >> hex;
    vector.bytes = from_hex(hex);
    if (!vector.valid) words >> vector.refusal;
    for (std::string word; vector.valid && words >> word;) {
      const size_t equals = word.find('=');
      vector.fields[word.substr(0, equals)] = word.substr(equals + 1);
    }
    vectors.push_back(vector);
  }
  return vectors;
}

uint64_t number(const Vector& vector, const std::string& field) { return std::stoull(vector.fields.at(field)); }

template <typename Bytes>
bool starts_with(const std::vector<uint8_t>& bytes, const Bytes& head) {
  return bytes.size() >= head.size() && std::equal(head.begin(), head.end(), bytes.begin());
}

void check_preamble(const Vector& vector) {
  Preamble preamble;
  ASSERT_STREQ(refusal_name(decode_preamble(vector.bytes, preamble)), "ok");
  EXPECT_EQ(preamble.oldest, number(vector, "oldest"));
  EXPECT_EQ(preamble.newest, number(vector, "newest"));
  EXPECT_EQ(static_cast<uint16_t>(preamble.role), number(vector, "role"));
  EXPECT_TRUE(starts_with(vector.bytes, encode_preamble(preamble)));
}

void check_hello(const Vector& vector) {
  BulkHello hello;
  ASSERT_STREQ(refusal_name(decode_bulk_hello(vector.bytes, hello)), "ok");
  EXPECT_TRUE(std::ranges::equal(hello.token, from_hex(vector.fields.at("token"))));
  EXPECT_EQ(static_cast<uint16_t>(hello.kind), number(vector, "kind"));
  EXPECT_EQ(hello.channel, number(vector, "channel"));
  EXPECT_EQ(hello.channels, number(vector, "channels"));
  EXPECT_TRUE(starts_with(vector.bytes, encode_bulk_hello(hello)));
}

void check_frame(const Vector& vector) {
  FrameHeader frame;
  ASSERT_STREQ(refusal_name(decode_frame(vector.bytes, frame)), "ok");
  EXPECT_EQ(static_cast<uint16_t>(frame.type), number(vector, "type"));
  EXPECT_EQ(frame.region, number(vector, "region"));
  EXPECT_EQ(frame.round, number(vector, "round"));
  EXPECT_EQ(frame.count, number(vector, "count"));
  EXPECT_EQ(frame.offset, number(vector, "offset"));
  EXPECT_EQ(frame.payload_crc, number(vector, "payloadCrc"));
  EXPECT_TRUE(starts_with(vector.bytes, encode_frame(frame)));
  const size_t payload = vector.bytes.size() - kFrameHeaderBytes;
  if (payload > 0) {
    EXPECT_EQ(payload, payload_bytes(frame));
    EXPECT_EQ(crc32c(0, vector.bytes.data() + kFrameHeaderBytes, payload), frame.payload_crc);
  }
}

std::string refusal_of(const Vector& vector) {
  Preamble preamble;
  BulkHello hello;
  FrameHeader frame;
  if (vector.kind == "preamble") return refusal_name(decode_preamble(vector.bytes, preamble));
  if (vector.kind == "bulk-hello") return refusal_name(decode_bulk_hello(vector.bytes, hello));
  return refusal_name(decode_frame(vector.bytes, frame));
}

TEST(GoldenVectors, EveryValidOneIsReadAndWrittenBackToTheSameBytes) {
  std::map<std::string, int> seen;
  for (const Vector& vector : read_vectors()) {
    if (!vector.valid) continue;
    SCOPED_TRACE(vector.name);
    seen[vector.kind]++;
    if (vector.kind == "preamble") check_preamble(vector);
    if (vector.kind == "bulk-hello") check_hello(vector);
    if (vector.kind == "bulk-frame") check_frame(vector);
  }
  EXPECT_GE(seen["preamble"], 3);
  EXPECT_GE(seen["bulk-hello"], 3);
  EXPECT_GE(seen["bulk-frame"], 8);
}

TEST(GoldenVectors, EveryInvalidOneIsRefusedForItsReason_R6) {
  int seen = 0;
  for (const Vector& vector : read_vectors()) {
    if (vector.valid || vector.kind == "control-frame") continue;
    EXPECT_EQ(refusal_of(vector), vector.refusal) << vector.kind << " " << vector.name;
    seen++;
  }
  EXPECT_GE(seen, 20);
}

TEST(GoldenVectors, EveryPrefixOfAValidOneIsTruncated_R6) {
  for (const Vector& vector : read_vectors()) {
    if (!vector.valid || vector.kind == "control-frame") continue;
    const size_t whole = vector.kind == "preamble"     ? kPreambleBytes
                         : vector.kind == "bulk-hello" ? kBulkHelloBytes
                                                       : kFrameHeaderBytes;
    for (size_t length = 0; length < whole; length++) {
      Vector cut = vector;
      cut.bytes.resize(length);
      EXPECT_EQ(refusal_of(cut), "truncated") << vector.name << " cut to " << length;
    }
  }
}

}  // namespace
}  // namespace drover
