#include "core/transfer/token_bucket.h"

#include <gtest/gtest.h>

#include <random>

namespace drover {
namespace {

// Takes as fast as the bucket lets it, on a clock of its own, for `micros`. Returns the bytes that left.
uint64_t drain(TokenBucket& bucket, std::mt19937_64& random, uint64_t largest, int64_t& now, int64_t micros) {
  uint64_t left = 0;
  for (const int64_t end = now + micros; now < end;) {
    const uint64_t bytes = 1 + random() % largest;
    const int64_t wait = bucket.take(bytes, now);
    if (wait == 0) left += bytes;
    now += wait;
  }
  return left;
}

TEST(TokenBucket, NeverLetsMoreThanRateBurstAndOneTakeLeave) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 300; i++) {
    TokenBucket bucket;
    const uint64_t rate = 1000 + random() % 2'000'000'000;
    const uint64_t largest = 1 + random() % (1 << 20);
    int64_t now = static_cast<int64_t>(random() % 1'000'000'000);
    const int64_t start = now;
    bucket.set_rate(rate, now);
    const uint64_t left = drain(bucket, random, largest, now, 200'000);
    const auto allowed = static_cast<double>(rate) * static_cast<double>(now - start + kBurstMicros) / 1e6 +
                         static_cast<double>(largest);
    ASSERT_LE(static_cast<double>(left), allowed) << "rate " << rate << " takes up to " << largest;
  }
}

TEST(TokenBucket, LetsAtLeastTheRateLeaveWhenThereIsAlwaysSomethingToSend) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 300; i++) {
    TokenBucket bucket;
    const uint64_t rate = 10'000'000 + random() % 1'000'000'000;
    int64_t now = 5;
    bucket.set_rate(rate, now);
    const uint64_t left = drain(bucket, random, 256 << 10, now, 1'000'000);
    ASSERT_GE(static_cast<double>(left), 0.98 * static_cast<double>(rate));
  }
}

TEST(TokenBucket, IdleTimeIsWorthOneBurstAndNoMore) {
  TokenBucket bucket;
  bucket.set_rate(1'000'000, 0);
  EXPECT_EQ(bucket.take(1, 60'000'000), 0);
  uint64_t left = 1;
  while (bucket.take(100, 60'000'000) == 0) left += 100;
  EXPECT_LE(left, 1'000'000 * kBurstMicros / 1'000'000 + 200);
}

TEST(TokenBucket, ANewRateHoldsFromThenOnAndPaysTheDebtInBytes) {
  TokenBucket bucket;
  bucket.set_rate(1'000, 0);
  EXPECT_EQ(bucket.take(1'000'000, 0), 0);
  EXPECT_NEAR(static_cast<double>(bucket.take(1, 0)), 1e9, 1e3);
  bucket.set_rate(1'000'000'000, 0);
  EXPECT_EQ(bucket.take(1, 0), 1'000);
  bucket.set_rate(0, 0);
  EXPECT_EQ(bucket.take(1'000'000'000, 0), 0);
}

TEST(TokenBucket, AClockThatStandsStillOrGoesBackGivesNothingAway) {
  TokenBucket bucket;
  bucket.set_rate(1'000'000, 1'000'000);
  EXPECT_EQ(bucket.take(50'000, 1'000'000), 0);
  const int64_t wait = bucket.take(1, 1'000'000);
  EXPECT_EQ(bucket.take(1, 500'000), wait);
  EXPECT_EQ(bucket.take(1, 1'000'000), wait);
}

}  // namespace
}  // namespace drover
