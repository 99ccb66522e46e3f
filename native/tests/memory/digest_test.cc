#include "core/memory/digest.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "memory/test_memory.h"

namespace drover {
namespace {

MemoryDigest digest_of(const TestMemory& made, unsigned threads = 1) {
  auto result = digest(*made.memory, threads, std::atomic<bool>(false));
  EXPECT_TRUE(result.ok());
  return result.value();
}

void fill(const TestMemory& made, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (uint64_t page = 0; page < made.memory->pages(); ++page) {
    if (page % 5 == 0) continue;
    for (uint64_t offset = 0; offset < kPageSize; offset += 8) {
      const uint64_t value = random();
      std::memcpy(made.page(page) + offset, &value, sizeof value);
    }
  }
}

TEST(Digest, IsTheSameForAnyNumberOfThreadsAndAnyCutIntoRegions) {
  const TestMemory one = make_memory({3000}), three = make_memory({700, 0, 2299, 1});
  fill(one, 1);
  fill(three, 1);
  const MemoryDigest expected = digest_of(one);
  EXPECT_EQ(expected.data_pages, 2400u);
  for (const unsigned threads : {0u, 2u, 5u, 200u}) {
    EXPECT_EQ(digest_of(one, threads).hex(), expected.hex());
    EXPECT_EQ(digest_of(three, threads).hex(), expected.hex());
  }
}

TEST(Digest, SeesEveryChangedBitAndEveryMovedPage) {
  const TestMemory made = make_memory({64});
  fill(made, 2);
  const std::string before = digest_of(made).hex();
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    uint8_t* byte = made.page(random() % 64) + random() % kPageSize;
    const uint8_t bit = static_cast<uint8_t>(1u << (random() % 8));
    *byte ^= bit;
    EXPECT_NE(digest_of(made).hex(), before);
    *byte ^= bit;
  }
  EXPECT_EQ(digest_of(made).hex(), before);
  std::swap_ranges(made.page(1), made.page(1) + kPageSize, made.page(2));
  EXPECT_NE(digest_of(made).hex(), before);
}

TEST(Digest, TakesAHoleAndAZeroPageForTheSameAndAllocatesNothing) {
  const TestMemory made = make_memory({1000});
  made.page(1)[4095] = 1;
  const std::string before = digest_of(made).hex();
  EXPECT_EQ(made.resident_pages(), 1u);
  std::memset(made.page(2), 0, kPageSize);
  EXPECT_EQ(made.resident_pages(), 2u);
  EXPECT_EQ(digest_of(made).hex(), before);
  EXPECT_EQ(digest_of(made).data_pages, 1u);
}

TEST(Digest, OfNothingIsZero) {
  EXPECT_EQ(digest_of(make_memory({0})).hex(), std::string(32, '0'));
  EXPECT_EQ(digest_of(make_memory({1})).hex(), std::string(32, '0'));
}

TEST(Digest, CanBeCancelled) {
  const TestMemory made = make_memory({10});
  auto result = digest(*made.memory, 4, std::atomic<bool>(true));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, Code::cancelled);
}

}  // namespace
}  // namespace drover
