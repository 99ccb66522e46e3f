#include "core/machine/time.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace drover::machine {
namespace {

constexpr int64_t kSecond = 1000000000;

struct Case {
  const char* what;
  GuestTime source;
  int64_t wall_ns;
  ClockMode mode;
  AdvancedTime expected;
};

TEST(KvmTime, GoesOnByTheWallClockTimeThatPassed) {
  const Case cases[] = {
      {"nothing passed", {5 * kSecond, 100, 200, 1000000}, 5 * kSecond, ClockMode::wall, {100, 200, 0, 0}},
      {"a second at 2.6 GHz",
       {0, 100, 200, 2600000},
       kSecond,
       ClockMode::wall,
       {100 + kSecond, 200 + 2600000000u, kSecond, 0}},
      {"a nanosecond at 1 kHz is no cycle", {0, 0, 0, 1}, 1, ClockMode::wall, {1, 0, 1, 0}},
      {"a cycle less a nanosecond is none", {0, 0, 0, 1}, 999999, ClockMode::wall, {999999, 0, 999999, 0}},
      {"a cycle", {0, 0, 0, 1}, 1000000, ClockMode::wall, {1000000, 1, 1000000, 0}},
      {"the destination's clock is behind: time stands still",
       {10 * kSecond, 7, 8, 3000000},
       9 * kSecond,
       ClockMode::wall,
       {7, 8, 0, kSecond}},
      {"behind by all there is", {INT64_MAX, 7, 8, 3000000}, 0, ClockMode::wall, {7, 8, 0, INT64_MAX}},
      {"stopped", {0, 7, 8, 3000000}, kSecond, ClockMode::stopped, {7, 8, 0, 0}},
      {"stopped and behind", {kSecond, 7, 8, 3000000}, 0, ClockMode::stopped, {7, 8, 0, kSecond}},
      {"the TSC wraps as on a processor", {0, 0, UINT64_MAX, 1000000}, 2, ClockMode::wall, {2, 1, 2, 0}},
      {"the longest time",
       {0, 0, 0, 1},
       INT64_MAX,
       ClockMode::wall,
       {static_cast<uint64_t>(INT64_MAX), static_cast<uint64_t>(INT64_MAX) / 1000000, INT64_MAX, 0}},
      {"the largest clock",
       {0, static_cast<uint64_t>(INT64_MAX) - 5, 0, 1},
       5,
       ClockMode::wall,
       {static_cast<uint64_t>(INT64_MAX), 0, 5, 0}},
      {"a frequency of nothing", {0, 1, 2, 0}, kSecond, ClockMode::wall, {1 + kSecond, 2, kSecond, 0}},
  };
  for (const Case& one : cases) {
    auto advanced = advance(one.source, one.wall_ns, one.mode);
    ASSERT_TRUE(advanced.ok()) << one.what << ": " << advanced.error().message;
    EXPECT_TRUE(advanced.value() == one.expected)
        << one.what << ": clock " << advanced.value().clock_ns << " tsc " << advanced.value().tsc << " passed "
        << advanced.value().passed_ns << " behind " << advanced.value().behind_ns;
  }
}

TEST(KvmTime, IsRefusedWhereItOverflows) {
  const struct {
    const char* what;
    GuestTime source;
    int64_t wall_ns;
  } cases[] = {
      {"a source before 1970", {-1, 0, 0, 1}, 0},
      {"a destination before 1970", {0, 0, 0, 1}, -1},
      {"the earliest wall clock", {INT64_MIN, 0, 0, 1}, INT64_MAX},
      {"a clock past 2^63", {0, static_cast<uint64_t>(INT64_MAX), 0, 1}, 1},
      {"a clock past 2^64", {0, UINT64_MAX, 0, 1}, 1},
      {"more cycles than 64 bits", {0, 0, 0, UINT32_MAX}, INT64_MAX},
  };
  for (const auto& one : cases) {
    auto advanced = advance(one.source, one.wall_ns, ClockMode::wall);
    ASSERT_FALSE(advanced.ok()) << one.what;
    EXPECT_EQ(advanced.error().code, Code::invalid_argument) << one.what;
  }
}

}  // namespace
}  // namespace drover::machine
