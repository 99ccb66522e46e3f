#include "core/bhyve/time.h"

#include <gtest/gtest.h>

#include <random>

#include "bhyve/fake_vm.h"

namespace drover::bhyve {
namespace {

constexpr int64_t kNsMax = INT64_MAX;
constexpr uint64_t kSecond = 1000000000;

// Frequency, TSC, boot, hrtime, wall seconds and nanoseconds.
using Info = abi::vdi_time_info_v1;

struct Case {
  const char* name;
  Info source;
  Info here;
  machine::ClockMode mode;
  std::optional<Info> expected;
  int64_t passed = 0, behind = 0;
};

constexpr auto kWall = machine::ClockMode::wall;
constexpr auto kStopped = machine::ClockMode::stopped;

TEST(BhyveTime, TheRulesHoldAtTheirEdges) {
  const Info here{1, 2, 3, 5000, 100, 0};
  const Case cases[] = {
      {"a second passes",
       {2000000000, 50, 100, 400, 99, 0},
       here,
       kWall,
       Info{2000000000, 2000000050, 5000 - 1000000300, 5000, 100, 0},
       1000000000,
       0},
      {"half a second, across a second's border",
       {1000000000, 0, 0, 0, 99, 500000000},
       here,
       kWall,
       Info{1000000000, 500000000, 5000 - 500000000, 5000, 100, 0},
       500000000,
       0},
      {"no time passes",
       {2000000000, 50, 100, 400, 100, 0},
       here,
       kWall,
       Info{2000000000, 50, 4700, 5000, 100, 0},
       0,
       0},
      {"a destination that is behind stands still",
       {2000000000, 50, 100, 400, 100, 7},
       here,
       kWall,
       Info{2000000000, 50, 4700, 5000, 100, 0},
       0,
       7},
      {"stopped time",
       {2000000000, 50, 100, 400, 99, 0},
       here,
       kStopped,
       Info{2000000000, 50, 4700, 5000, 100, 0},
       0,
       0},
      {"a guest that booted before this host",
       {1, 0, -500, 500, 100, 0},
       here,
       kWall,
       Info{1, 0, 4000, 5000, 100, 0},
       0,
       0},
      {"a boot time below zero", {1, 0, 0, 9000, 100, 0}, here, kWall, Info{1, 0, -4000, 5000, 100, 0}, 0, 0},
      {"a boot time far below zero",
       {1, 0, 0, kNsMax, 100, 0},
       {1, 2, 3, 0, 100, 0},
       kWall,
       Info{1, 0, -kNsMax, 0, 100, 0},
       0,
       0},
      {"a TSC that wraps",
       {1000000000, UINT64_MAX, 0, 0, 99, 999999999},
       here,
       kWall,
       Info{1000000000, 0, 4999, 5000, 100, 0},
       1,
       0},
      {"cycles are rounded down",
       {1, 0, 0, 0, 99, 1},
       here,
       kWall,
       Info{1, 0, 5000 - 999999999, 5000, 100, 0},
       999999999,
       0},
      {"a frequency that no kHz tells",
       {2599998123, 0, 0, 0, 0, 0},
       {1, 2, 3, 0, 1000, 0},
       kWall,
       Info{2599998123, 2599998123000, -1000000000000, 0, 1000, 0},
       1000000000000,
       0},
      {"a negative monotonic clock here", {1, 0, 0, 0, 100, 0}, {1, 2, 3, -1, 100, 0}, kWall, std::nullopt},
      {"a guest that booted in the future", {1, 0, 401, 400, 100, 0}, here, kWall, std::nullopt},
      {"an uptime of more than 63 bits", {1, 0, INT64_MIN, 0, 100, 0}, here, kWall, std::nullopt},
      {"an uptime that overflows downwards", {1, 0, kNsMax, INT64_MIN, 100, 0}, here, kWall, std::nullopt},
      {"an uptime that overflows with what passed", {1, 0, 0, kNsMax, 99, 999999999}, here, kWall, std::nullopt},
      {"seconds that overflow", {1, 0, 0, 0, UINT64_MAX, 0}, here, kWall, std::nullopt},
      {"a wall clock past 2262 here", {1, 0, 0, 0, 100, 0}, {1, 2, 3, 0, 9223372037, 0}, kWall, std::nullopt},
      {"the last wall clock there is",
       {0, 9, 0, 0, 9223372036, 854775807},
       {1, 2, 3, 0, 9223372036, 854775807},
       kWall,
       Info{0, 9, 0, 0, 9223372036, 854775807},
       0,
       0},
      {"nanoseconds of more than a second", {1, 0, 0, 0, 99, kSecond}, here, kWall, std::nullopt},
      {"more cycles than the TSC counts", {UINT64_MAX, 0, 0, 0, 97, 0}, here, kWall, std::nullopt},
  };
  for (const Case& each : cases) {
    auto advanced = advance(each.source, each.here, each.mode);
    ASSERT_EQ(advanced.ok(), each.expected.has_value()) << each.name;
    if (!advanced) {
      EXPECT_EQ(advanced.error().code, Code::invalid_argument) << each.name;
      continue;
    }
    EXPECT_EQ(advanced.value().time, *each.expected) << each.name << ": tsc " << advanced.value().time.vt_guest_tsc
                                                     << " boot " << advanced.value().time.vt_boot_hrtime;
    EXPECT_EQ(advanced.value().passed_ns, each.passed) << each.name;
    EXPECT_EQ(advanced.value().behind_ns, each.behind) << each.name;
  }
}

// The rules once more in wide numbers, where nothing overflows.
TEST(BhyveTime, AnyTimeIsAsTheRulesSayOrRefused) {
  using Wide = __int128;
  std::mt19937_64 random(4);
  const auto number = [&]() -> uint64_t {
    const uint64_t edges[] = {
        0, 1, kSecond - 1, kSecond, static_cast<uint64_t>(kNsMax), static_cast<uint64_t>(kNsMax) + 1, UINT64_MAX};
    const uint64_t any = random();
    switch (any % 4) {
      case 0: return edges[random() % std::size(edges)];
      default: return random() >> (random() % 64);
    }
  };
  int accepted = 0;
  for (int round = 0; round < 200000; ++round) {
    const Info source{number(),
                      number(),
                      static_cast<int64_t>(number()),
                      static_cast<int64_t>(number()),
                      number() >> 30,
                      number() % (kSecond + 1)};
    const Info here{number(),
                    number(),
                    static_cast<int64_t>(number()),
                    static_cast<int64_t>(number()),
                    number() >> 30,
                    number() % (kSecond + 1)};
    const auto mode = random() % 4 == 0 ? kStopped : kWall;

    const Wide source_wall = Wide{source.vt_hres_sec} * kSecond + source.vt_hres_ns;
    const Wide here_wall = Wide{here.vt_hres_sec} * kSecond + here.vt_hres_ns;
    const Wide uptime = Wide{source.vt_hrtime} - source.vt_boot_hrtime;
    const Wide passed = mode == kStopped || here_wall < source_wall ? 0 : here_wall - source_wall;
    const auto cycles = static_cast<unsigned __int128>(passed) * source.vt_guest_freq / kSecond;
    const bool valid = here.vt_hrtime >= 0 && source.vt_hres_ns < kSecond && here.vt_hres_ns < kSecond &&
                       source_wall <= kNsMax && here_wall <= kNsMax && uptime >= 0 && uptime + passed <= kNsMax &&
                       cycles <= UINT64_MAX;

    auto advanced = advance(source, here, mode);
    ASSERT_EQ(advanced.ok(), valid);
    if (!valid) continue;
    ++accepted;
    EXPECT_EQ(Wide{advanced.value().time.vt_boot_hrtime}, here.vt_hrtime - (uptime + passed));
    EXPECT_EQ(advanced.value().time.vt_guest_tsc, source.vt_guest_tsc + static_cast<uint64_t>(cycles));
    EXPECT_EQ(advanced.value().time.vt_guest_freq, source.vt_guest_freq);
    EXPECT_EQ(advanced.value().time.vt_hrtime, here.vt_hrtime);
  }
  EXPECT_GT(accepted, 1000);
}

TEST(BhyveTime, AHostThatCannotScaleItsTscIsRefusedWithBothFrequencies) {
  FakeSettings settings;
  settings.scales_tsc = false;
  TestVm made = make_vm(settings);
  auto time = read_time(made.vm->device());
  ASSERT_TRUE(time.ok());
  ASSERT_TRUE(write_time(made.vm->device(), time.value()).ok());
  time.value().vt_guest_freq = 2599998123;
  Status written = write_time(made.vm->device(), time.value());
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, Code::unsupported);
  EXPECT_NE(written.error().message.find("2599998123 Hz"), std::string::npos);
  EXPECT_NE(written.error().message.find("2000000000 Hz"), std::string::npos);
}

}  // namespace
}  // namespace drover::bhyve
