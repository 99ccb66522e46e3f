// What a transfer counts while it runs: read from any thread at any time, without a call. The places are Counter of
// native/index.ts.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace drover {

enum class Counter : size_t {
  wire_bytes = 0,  // headers included
  data_pages = 1,
  zero_pages = 2,
  torn_pages = 3,  // whose checksum did not hold because the guest wrote them on the way
  frames = 4,
  round = 5,
  round_pages = 6,
  round_pages_done = 7,
  throttled_micros = 8,
  state_bytes = 9,
};

inline constexpr size_t kCounterCount = 16;

class CounterBlock {
 public:
  void add(Counter counter, uint64_t amount) { at(counter).fetch_add(amount, std::memory_order_relaxed); }
  void set(Counter counter, uint64_t value) { at(counter).store(value, std::memory_order_relaxed); }
  uint64_t get(Counter counter) const { return values_[static_cast<size_t>(counter)].load(std::memory_order_relaxed); }
  // kCounterCount native 64-bit numbers, for a reader outside C++.
  void* raw() { return values_.data(); }

 private:
  std::atomic<uint64_t>& at(Counter counter) { return values_[static_cast<size_t>(counter)]; }
  std::array<std::atomic<uint64_t>, kCounterCount> values_{};
};

static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8);
static_assert(sizeof(CounterBlock) == kCounterCount * 8);

}  // namespace drover
