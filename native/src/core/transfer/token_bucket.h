// How many bytes may leave at which moment. Pure: the time comes from the caller.
//
// A take is allowed while the balance is not negative and may drive it below zero; the debt is then paid off at the
// rate. So a take may be larger than the burst, and over any stretch of time no more leaves than rate × time + burst +
// one take.
#pragma once

#include <cstdint>

namespace drover {

inline constexpr int64_t kBurstMicros = 10'000;

class TokenBucket {
 public:
  // Bytes a second; 0 for no limit. Debt is kept in bytes, so a higher rate pays it sooner.
  void set_rate(uint64_t bytes_per_second, int64_t now_micros);
  uint64_t rate() const { return rate_; }

  // 0: taken. Otherwise nothing was taken, and the answer is how many µs to wait before trying again.
  int64_t take(uint64_t bytes, int64_t now_micros);

 private:
  void refill(int64_t now_micros);

  uint64_t rate_ = 0;
  double balance_ = 0;  // bytes; at most kBurstMicros worth
  int64_t refilled_at_ = 0;
};

}  // namespace drover
