#include "core/transfer/bandwidth_limit.h"

#include <algorithm>

#include "core/memory/guest_memory.h"
#include "core/transfer/wait.h"

namespace drover {

namespace {

int64_t now_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch()).count();
}

}  // namespace

void BandwidthLimit::set(uint64_t bytes_per_second) {
  {
    std::lock_guard lock(mutex_);
    bucket_.set_rate(bytes_per_second, now_micros());
  }
  changed_.notify_all();
}

bool BandwidthLimit::limited() const {
  std::lock_guard lock(mutex_);
  return bucket_.rate() != 0;
}

uint32_t BandwidthLimit::frame_pages(uint32_t most) const {
  std::lock_guard lock(mutex_);
  if (bucket_.rate() == 0) return most;
  const uint64_t burst_pages = bucket_.rate() / (1'000'000 / kBurstMicros) / kPageSize;
  return static_cast<uint32_t>(std::clamp<uint64_t>(burst_pages, 1, most));
}

Status BandwidthLimit::take(uint64_t bytes, const CancelToken& cancel, CounterBlock& counters) {
  std::unique_lock lock(mutex_);
  int64_t waited_since = 0;
  for (;;) {
    if (cancel.cancelled()) return cancelled_error();
    const int64_t now = now_micros();
    const int64_t wait = bucket_.take(bytes, now);
    if (wait == 0) {
      if (waited_since != 0) counters.add(Counter::throttled_micros, static_cast<uint64_t>(now - waited_since));
      return success();
    }
    if (waited_since == 0) waited_since = now;
    changed_.wait_until(lock, Clock::now() + std::chrono::microseconds(std::min<int64_t>(wait, 1'000'000)));
  }
}

void BandwidthLimit::wake() {
  // Empty on purpose: whoever checked its token before cancel() now waits, and whoever comes later sees the token.
  { std::lock_guard lock(mutex_); }
  changed_.notify_all();
}

}  // namespace drover
