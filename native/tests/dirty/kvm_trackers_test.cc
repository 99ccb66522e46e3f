#include <cstring>
#include <thread>

#include "core/dirty/kvm_dirty_log.h"
#include "core/dirty/kvm_dirty_ring.h"
#include "kvm/test_machine.h"

namespace drover {
namespace {

using kvm::TestMachine;
using kvm::Tracking;

class KvmTrackers : public testing::TestWithParam<Tracking> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_KVM();
    auto host = kvm::Host::open().take();
    if (GetParam() == Tracking::dirty_log && !host->has_dirty_log()) {
      GTEST_SKIP() << "needs KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, which this host's KVM lacks";
    }
    if (GetParam() == Tracking::dirty_ring && host->dirty_ring_bytes() == 0) {
      GTEST_SKIP() << "needs KVM_CAP_DIRTY_LOG_RING, which this host's KVM lacks";
    }
  }
};

using Pages = std::vector<uint8_t>;

Pages copy_of(const TestMachine& machine) {
  Pages all;
  const uint64_t count = machine.memory().memory->pages();
  all.reserve(count * kPageSize);
  for (uint64_t page = 0; page < count; ++page) {
    all.insert(all.end(), machine.memory().page(page), machine.memory().page(page) + kPageSize);
  }
  return all;
}

// The oracle: memory compared byte by byte. Returns the pages that changed and are not in `reported`.
uint64_t missed_pages(const Pages& before, const Pages& after, const DirtyBitmap& reported, uint64_t& changed) {
  uint64_t missed = 0;
  changed = 0;
  for (uint64_t page = 0; page < reported.pages(); ++page) {
    if (std::memcmp(&before[page * kPageSize], &after[page * kPageSize], kPageSize) == 0) continue;
    ++changed;
    if (!reported.test(page)) ++missed;
  }
  return missed;
}

TEST_P(KvmTrackers, ReportEveryPageThatAComparisonOfAllBytesFindsChanged) {
  // The regions' border lies inside the working set, so pages are of two slots.
  TestMachine machine({.regions = {5000, 1, 3191}, .tracking = GetParam()});
  machine.boot("drover-guest.elf", "pages=3000 rate=max pattern=random");
  ASSERT_TRUE(machine.read_until("READY\n"));
  DirtyTracker& tracker = machine->tracker();
  ASSERT_TRUE(tracker.start().ok());
  DirtyBitmap first(machine.memory().memory->pages());
  ASSERT_TRUE(tracker.collect(first).complete());
  EXPECT_EQ(first.count(), first.pages()) << "the first collection reports everything";
  machine.pause();
  tracker.collect(first);
  Pages before = copy_of(machine);
  uint64_t changed_in_all = 0;
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(machine->resume().ok());
    // Collected while the guest runs as well: what it writes meanwhile is in this collection or in the next.
    DirtyBitmap reported(first.pages());
    for (int step = 0; step < 4; ++step) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ASSERT_TRUE(tracker.collect(reported).complete());
    }
    machine.pause();
    const Collected last = tracker.collect(reported);
    ASSERT_TRUE(last.complete()) << *last.error;
    Pages after = copy_of(machine);
    uint64_t changed = 0;
    EXPECT_EQ(missed_pages(before, after, reported, changed), 0u) << "in round " << round << " (R5)";
    // On a busy host a round can pass without a turn for the guest.
    changed_in_all += changed;
    EXPECT_LT(reported.count(), reported.pages() / 2) << "it reports far more than the guest wrote";
    before = std::move(after);
  }
  EXPECT_GT(changed_in_all, 0u);
}

// Rings of 1024 entries that nobody empties but the processor that finds its own full. Where KVM emulates instructions
// it may overrun them: then everything must be reported.
TEST(KvmDirtyRing, LosesNothingWhereItsRingsAreFull) {
  SKIP_WITHOUT_KVM();
  if (kvm::Host::open().take()->dirty_ring_bytes() == 0) {
    GTEST_SKIP() << "needs KVM_CAP_DIRTY_LOG_RING, which this host's KVM lacks";
  }
  for (int round = 0; round < 8; ++round) {
    TestMachine machine({.tracking = Tracking::dirty_ring, .ring = {1024, std::chrono::hours(1)}});
    machine.boot("drover-guest.elf", "pages=3000 rate=max");
    ASSERT_TRUE(machine.read_until("READY\n"));
    auto& tracker = static_cast<KvmDirtyRing&>(machine->tracker());
    // Before the start: a ring may overrun while the guest runs, and then no ring would be found full below.
    machine.pause();
    ASSERT_TRUE(tracker.start().ok());
    DirtyBitmap reported(machine.memory().memory->pages());
    tracker.collect(reported);
    const Pages before = copy_of(machine);
    reported.clear();
    const uint64_t wanted = tracker.full_exits() + 1 + round % 4;
    ASSERT_TRUE(machine->resume().ok());
    ASSERT_TRUE(machine.read_until("\nB "));
    const auto deadline = std::chrono::steady_clock::now() + kvm::kPatience;
    while (tracker.full_exits() < wanted && !tracker.overflowed() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    machine.pause();
    const Collected last = tracker.collect(reported);
    EXPECT_EQ(last.complete(), !tracker.overflowed());
    uint64_t changed = 0;
    EXPECT_EQ(missed_pages(before, copy_of(machine), reported, changed), 0u) << "(R5)";
    EXPECT_GT(changed, 0u);
    EXPECT_GT(tracker.full_exits(), 0u);
    // Overflowed or not, the guest goes on.
    ASSERT_TRUE(machine->resume().ok());
    ASSERT_TRUE(machine.read_until("\nB "));
    tracker.stop();
    EXPECT_EQ(tracker.start().ok(), !tracker.overflowed());
  }
}

TEST_P(KvmTrackers, FindNothingWhereNothingRuns) {
  TestMachine machine({.vcpus = 2, .tracking = GetParam()});
  machine.boot("drover-guest.elf", "pages=100 rate=max");
  ASSERT_TRUE(machine.read_until("READY\n"));
  // Before the start: a ring may overrun while the guest runs, and then everything is dirty.
  machine.pause();
  ASSERT_TRUE(machine->tracker().start().ok());
  DirtyBitmap bitmap(machine.memory().memory->pages());
  ASSERT_TRUE(machine->tracker().collect(bitmap).complete());
  bitmap.clear();
  const Collected nothing = machine->tracker().collect(bitmap);
  EXPECT_TRUE(nothing.complete());
  EXPECT_EQ(nothing.dirty_pages, 0u);
  EXPECT_EQ(bitmap.count(), 0u);
}

TEST_P(KvmTrackers, ReportEverythingBeforeAStartAndAfterAStop) {
  TestMachine machine({.tracking = GetParam()});
  DirtyTracker& tracker = machine->tracker();
  DirtyBitmap bitmap(machine.memory().memory->pages());
  for (int round = 0; round < 2; ++round) {
    bitmap.clear();
    const Collected unknown = tracker.collect(bitmap);
    EXPECT_FALSE(unknown.complete());
    EXPECT_EQ(unknown.dirty_pages, bitmap.pages());
    EXPECT_EQ(bitmap.count(), bitmap.pages()) << "(R5)";
    ASSERT_TRUE(tracker.start().ok());
    EXPECT_EQ(tracker.start().error().code, Code::invalid_argument);
    bitmap.clear();
    EXPECT_TRUE(tracker.collect(bitmap).complete());
    EXPECT_EQ(bitmap.count(), bitmap.pages()) << "a start begins from everything (R5)";
    tracker.stop();
    tracker.stop();
  }
}

TEST_P(KvmTrackers, ReportEverythingIntoABitmapOfAnotherSize) {
  TestMachine machine({.tracking = GetParam()});
  ASSERT_TRUE(machine->tracker().start().ok());
  DirtyBitmap other(77);
  EXPECT_FALSE(machine->tracker().collect(other).complete());
  EXPECT_EQ(other.count(), 77u);
}

TEST_P(KvmTrackers, MayBeStartedCollectedAndStoppedWhileTheGuestRuns) {
  TestMachine machine({.vcpus = 2, .tracking = GetParam()});
  machine.boot("drover-guest.elf", "pages=500 rate=max");
  ASSERT_TRUE(machine.read_until("READY\n"));
  std::thread other([&] {
    DirtyBitmap bitmap(machine.memory().memory->pages());
    for (int round = 0; round < 200; ++round) machine->tracker().collect(bitmap);
  });
  for (int round = 0; round < 50; ++round) {
    (void)machine->tracker().start().ok();
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    machine->tracker().stop();
  }
  other.join();
  ASSERT_TRUE(machine.read_until("\nB "));
}

INSTANTIATE_TEST_SUITE_P(Both, KvmTrackers, testing::Values(Tracking::dirty_log, Tracking::dirty_ring),
                         [](const auto& info) { return info.param == Tracking::dirty_log ? "Log" : "Ring"; });

}  // namespace
}  // namespace drover
