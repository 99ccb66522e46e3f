// The golden vectors of the peer protocol, shared with the TypeScript codecs: packages/protocol/vectors/peer-v*.txt.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "core/simd/crc32c.h"
#include "core/transfer/frames.h"
#include "core/transfer/round_digest.h"
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
std::vector<Vector> read_file(uint16_t version) {
  std::ifstream file(std::string(DROVER_VECTORS_DIR) + "/peer-v" + std::to_string(version) + ".txt");
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

// What must hold for a version: its own vectors, and those of version 1 that it took over.
std::vector<Vector> vectors_for(uint16_t version) {
  std::vector<Vector> vectors = read_file(version);
  if (version == 1) return vectors;
  for (Vector& vector : read_file(1)) {
    if (vector.name != "round-end-with-payload-crc") vectors.push_back(std::move(vector));
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

void check_frame(uint16_t version, const Vector& vector) {
  FrameHeader frame;
  ASSERT_STREQ(refusal_name(decode_frame(version, vector.bytes, frame)), "ok");
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

void check_digest(const Vector& vector) {
  RoundDigest digest;
  size_t frames = 0;
  for (size_t at = 0; at < vector.bytes.size(); at += kFrameHeaderBytes, frames++) {
    FrameHeaderBytes header;
    ASSERT_LE(at + header.size(), vector.bytes.size());
    std::copy_n(vector.bytes.begin() + static_cast<std::ptrdiff_t>(at), header.size(), header.begin());
    digest.add(header);
  }
  EXPECT_EQ(frames, number(vector, "frames"));
  EXPECT_EQ(digest.value(), number(vector, "digest"));
}

std::string refusal_of(uint16_t version, const Vector& vector) {
  Preamble preamble;
  BulkHello hello;
  FrameHeader frame;
  if (vector.kind == "preamble") return refusal_name(decode_preamble(vector.bytes, preamble));
  if (vector.kind == "bulk-hello") return refusal_name(decode_bulk_hello(vector.bytes, hello));
  return refusal_name(decode_frame(version, vector.bytes, frame));
}

class GoldenVectors : public ::testing::TestWithParam<uint16_t> {};

TEST_P(GoldenVectors, EveryValidOneIsReadAndWrittenBackToTheSameBytes) {
  std::map<std::string, int> seen;
  for (const Vector& vector : vectors_for(GetParam())) {
    if (!vector.valid) continue;
    SCOPED_TRACE(vector.name);
    seen[vector.kind]++;
    if (vector.kind == "preamble") check_preamble(vector);
    if (vector.kind == "bulk-hello") check_hello(vector);
    if (vector.kind == "bulk-frame") check_frame(GetParam(), vector);
    if (vector.kind == "round-digest") check_digest(vector);
  }
  EXPECT_GE(seen["preamble"], 3);
  EXPECT_GE(seen["bulk-hello"], 3);
  EXPECT_GE(seen["bulk-frame"], 8);
  EXPECT_EQ(seen["round-digest"], GetParam() == 1 ? 0 : 6);
}

TEST_P(GoldenVectors, EveryInvalidOneIsRefusedForItsReason_R6) {
  int seen = 0;
  for (const Vector& vector : vectors_for(GetParam())) {
    if (vector.valid) continue;
    EXPECT_EQ(refusal_of(GetParam(), vector), vector.refusal) << vector.kind << " " << vector.name;
    seen++;
  }
  EXPECT_GE(seen, 20);
}

TEST_P(GoldenVectors, EveryPrefixOfAValidOneIsTruncated_R6) {
  for (const Vector& vector : vectors_for(GetParam())) {
    if (!vector.valid || vector.kind == "round-digest") continue;
    const size_t whole = vector.kind == "preamble"     ? kPreambleBytes
                         : vector.kind == "bulk-hello" ? kBulkHelloBytes
                                                       : kFrameHeaderBytes;
    for (size_t length = 0; length < whole; length++) {
      Vector cut = vector;
      cut.bytes.resize(length);
      EXPECT_EQ(refusal_of(GetParam(), cut), "truncated") << vector.name << " cut to " << length;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, GoldenVectors, ::testing::Values(1, 2));

}  // namespace
}  // namespace drover
