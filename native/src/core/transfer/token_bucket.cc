#include "core/transfer/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace drover {

void TokenBucket::refill(int64_t now_micros) {
  const auto elapsed = static_cast<double>(std::max<int64_t>(0, now_micros - refilled_at_));
  const auto rate = static_cast<double>(rate_);
  balance_ = std::min(balance_ + elapsed * rate / 1e6, rate * kBurstMicros / 1e6);
  refilled_at_ = std::max(refilled_at_, now_micros);
}

void TokenBucket::set_rate(uint64_t bytes_per_second, int64_t now_micros) {
  if (rate_ == 0) {
    balance_ = 0;
    refilled_at_ = now_micros;
  } else {
    refill(now_micros);
  }
  rate_ = bytes_per_second;
}

int64_t TokenBucket::take(uint64_t bytes, int64_t now_micros) {
  if (rate_ == 0) return 0;
  refill(now_micros);
  if (balance_ < 0) {
    const double micros = std::ceil(-balance_ * 1e6 / static_cast<double>(rate_));
    return std::max<int64_t>(1, static_cast<int64_t>(std::min(micros, 1e15)));
  }
  balance_ -= static_cast<double>(bytes);
  return 0;
}

}  // namespace drover
