// One bandwidth limit for all channels of a transfer.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "core/transfer/cancel.h"
#include "core/transfer/counters.h"
#include "core/transfer/token_bucket.h"

namespace drover {

class BandwidthLimit {
 public:
  // Bytes a second, 0 for none; wakes whoever waits.
  void set(uint64_t bytes_per_second);

  bool limited() const;
  // The largest frame, in pages, that still leaves the limit smooth: about a burst's worth, at least 1.
  uint32_t frame_pages(uint32_t most) const;

  // Waits until `bytes` may leave; counts the time into throttled_micros. Errors: cancelled.
  Status take(uint64_t bytes, const CancelToken& cancel, CounterBlock& counters);

  // Lets every take() look at its CancelToken again.
  void wake();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  TokenBucket bucket_;
};

}  // namespace drover
