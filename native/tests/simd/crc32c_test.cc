#include "core/simd/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace drover {
namespace {

// Bit by bit, straight from the definition.
uint32_t naive_crc32c(const std::vector<uint8_t>& bytes) {
  uint32_t state = 0xffffffff;
  for (const uint8_t byte : bytes) {
    state ^= byte;
    for (int bit = 0; bit < 8; bit++) state = (state >> 1) ^ ((state & 1) ? 0x82f63b78 : 0);
  }
  return ~state;
}

std::vector<uint8_t> random_bytes(std::mt19937_64& random, size_t length) {
  std::vector<uint8_t> bytes(length);
  for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

TEST(Crc32c, HasTheCheckValueOfTheStandard) {
  const char* digits = "123456789";
  EXPECT_EQ(crc32c(0, digits, 9), 0xe3069283u);
  EXPECT_EQ(detail::crc32c_portable(0, reinterpret_cast<const uint8_t*>(digits), 9), 0xe3069283u);
  EXPECT_EQ(crc32c(0, nullptr, 0), 0u);
}

TEST(Crc32c, EveryImplementationEqualsTheDefinitionAtEveryLengthAndAlignment) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 600; i++) {
    const size_t length = i < 400 ? static_cast<size_t>(i) : random() % 20000;
    const size_t skew = random() % 16;
    std::vector<uint8_t> bytes = random_bytes(random, length + skew);
    const std::vector<uint8_t> tail(bytes.begin() + static_cast<std::ptrdiff_t>(skew), bytes.end());
    const uint32_t expected = naive_crc32c(tail);
    ASSERT_EQ(detail::crc32c_portable(0, bytes.data() + skew, length), expected) << "length " << length;
    if (detail::sse42_supported()) {
      ASSERT_EQ(detail::crc32c_sse42(0, bytes.data() + skew, length), expected) << "length " << length;
    }
  }
}

TEST(Crc32c, PiecesGiveTheSameAsTheWhole) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 200; i++) {
    const std::vector<uint8_t> bytes = random_bytes(random, 1 + random() % 12000);
    uint32_t crc = 0;
    for (size_t at = 0; at < bytes.size();) {
      const size_t piece = std::min(bytes.size() - at, 1 + random() % 5000);
      crc = crc32c(crc, bytes.data() + at, piece);
      at += piece;
    }
    ASSERT_EQ(crc, crc32c(0, bytes.data(), bytes.size()));
  }
}

TEST(Crc32c, NamesTheImplementationInUse) {
  EXPECT_STREQ(crc32c_name(), detail::sse42_supported() ? "sse4.2" : "portable");
}

}  // namespace
}  // namespace drover
