#include "core/bhyve/npt_tracker.h"

#include <gtest/gtest.h>

#include <random>

#include "bhyve/fake_vm.h"

namespace drover::bhyve {
namespace {

using Pages = std::set<uint64_t>;

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kHoleEndPage = 4 * kGiB / kPageSize;

Pages everything(uint64_t pages) {
  Pages all;
  for (uint64_t page = 0; page < pages; ++page) all.insert(page);
  return all;
}

Pages collect(NptTracker& tracker, uint64_t pages, bool complete = true) {
  DirtyBitmap bitmap(pages);
  const Collected collected = tracker.collect(bitmap);
  EXPECT_EQ(collected.complete(), complete) << collected.error.value_or("");
  EXPECT_EQ(collected.dirty_pages, bitmap.count());
  return pages_of(bitmap);
}

void start(NptTracker& tracker) {
  Status started = tracker.start();
  ASSERT_TRUE(started.ok()) << started.error().message;
}

class EveryVersion : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Bhyve, EveryVersion, testing::Range(12, 19));

TEST_P(EveryVersion, APageWrittenAfterACollectionIsInTheNextAndThenNoMore) {
  TestVm made = make_vm(version(GetParam()));
  NptTracker tracker(made.vm);
  start(tracker);
  collect(tracker, 200);
  EXPECT_EQ(collect(tracker, 200), Pages{});
  made.host->guest_writes(7 * kPageSize, 1);
  made.host->guest_writes(199 * kPageSize + 5, 1);
  EXPECT_EQ(collect(tracker, 200), (Pages{7, 199}));
  EXPECT_EQ(collect(tracker, 200), Pages{});
}

TEST_P(EveryVersion, WritesOfThisProcessThroughTheGuestViewAreSeenAndReadsThroughTheSegmentAreNot) {
  TestVm made = make_vm(version(GetParam()));
  NptTracker tracker(made.vm);
  start(tracker);
  collect(tracker, 200);
  const std::vector<uint8_t> bytes = {1};
  std::vector<uint8_t> out(kPageSize);
  ASSERT_TRUE(made.vm->memory().write(3 * kPageSize, bytes).ok());
  ASSERT_TRUE(made.vm->memory().read(9 * kPageSize, out).ok());
  EXPECT_EQ(collect(tracker, 200), Pages{3});
}

TEST_P(EveryVersion, TheFirstCollectionHoldsEveryPageThatIsNotZero) {  // R5
  TestVm made = make_vm(version(GetParam()));
  made.host->guest_writes(0, 1);
  made.host->guest_writes(64 * kPageSize, 1);
  NptTracker tracker(made.vm);
  start(tracker);
  EXPECT_EQ(collect(tracker, 200), GetParam() >= 17 ? (Pages{0, 64}) : everything(200));
}

TEST_P(EveryVersion, AFailedAttemptLosesNoPage) {  // R5
  TestVm made = make_vm(version(GetParam()));
  NptTracker tracker(made.vm);
  for (const uint64_t page : {3, 4, 130}) made.host->guest_writes(page * kPageSize, 1);
  start(tracker);
  collect(tracker, 200);
  made.host->guest_writes(5 * kPageSize, 1);
  collect(tracker, 200);
  tracker.stop();
  made.host->guest_writes(6 * kPageSize, 1);
  start(tracker);
  EXPECT_EQ(collect(tracker, 200), GetParam() >= 17 ? (Pages{3, 4, 5, 6, 130}) : everything(200));
  EXPECT_EQ(collect(tracker, 200), Pages{});
}

TEST_P(EveryVersion, ACallThatFailsInTheMiddleMakesEverythingDirtyUntilTheNextStart) {  // R5
  for (const bool after : {false, true}) {
    TestVm made = make_vm(version(GetParam()));
    NptTracker tracker(made.vm);
    start(tracker);
    collect(tracker, 200);
    made.host->guest_writes(3 * kPageSize, 1);
    made.host->fault =
        FakeHost::Fault{GetParam() >= 17 ? abi::VM_NPT_OPERATION : abi::VM_TRACK_DIRTY_PAGES, EFAULT, after, 0};
    EXPECT_EQ(collect(tracker, 200, false), everything(200));
    EXPECT_EQ(collect(tracker, 200, false), everything(200));
    tracker.stop();
    start(tracker);
    EXPECT_TRUE(collect(tracker, 200).contains(3));
    EXPECT_EQ(collect(tracker, 200), Pages{});
  }
}

TEST_P(EveryVersion, MemoryIsScannedInPiecesOfAGibibyteAndTheHoleIsNot) {
  constexpr uint64_t kPages = (5 * kGiB + 5 * kPageSize) / kPageSize;
  TestVm made = make_vm(version(GetParam()), kPages);
  NptTracker tracker(made.vm);
  start(tracker);
  DirtyBitmap bitmap(kPages);
  tracker.collect(bitmap);
  bitmap.clear();
  made.host->guest_writes((kHoleEndPage - 1 - kGiB / kPageSize) * kPageSize, 1);  // the last below the hole
  made.host->guest_writes(kHoleEndPage * kPageSize, 1);
  made.host->guest_writes((kHoleEndPage + (2 * kGiB) / kPageSize + 4) * kPageSize, 1);
  made.host->scans.clear();
  EXPECT_EQ(tracker.collect(bitmap).dirty_pages, 3u);
  EXPECT_TRUE(bitmap.test(3 * kGiB / kPageSize - 1));
  EXPECT_TRUE(bitmap.test(3 * kGiB / kPageSize));
  EXPECT_TRUE(bitmap.test(kPages - 1));
  const std::vector<std::pair<uint64_t, uint64_t>> expected = {
      {0, kGiB}, {kGiB, kGiB}, {2 * kGiB, kGiB}, {4 * kGiB, kGiB}, {5 * kGiB, kGiB}, {6 * kGiB, 5 * kPageSize}};
  ASSERT_EQ(made.host->scans.size(), expected.size());
  for (size_t index = 0; index < expected.size(); ++index) {
    EXPECT_EQ(made.host->scans[index].guest_address, expected[index].first);
    EXPECT_EQ(made.host->scans[index].bytes, expected[index].second);
  }
}

TEST_P(EveryVersion, ATrackerThatIsNotStartedOrAskedForAnotherMemoryReportsEverything) {  // R5
  TestVm made = make_vm(version(GetParam()));
  NptTracker tracker(made.vm);
  EXPECT_EQ(collect(tracker, 200, false), everything(200));
  start(tracker);
  EXPECT_EQ(tracker.start().error().code, Code::invalid_argument);
  collect(tracker, 200);
  EXPECT_EQ(collect(tracker, 10, false), everything(10));
  made.host->guest_writes(3 * kPageSize, 1);
  EXPECT_EQ(collect(tracker, 200), Pages{3});
  tracker.stop();
  tracker.stop();
  EXPECT_EQ(collect(tracker, 200, false), everything(200));
}

TEST(BhyveTracker, AVmMadeWithoutTrackingIsTrackedLaterFromVersion17OnAndRefusedBefore) {
  for (int number = 12; number <= 18; ++number) {
    TestVm made = make_vm(version(number), 200, false);
    made.host->guest_writes(3 * kPageSize, 1);
    NptTracker tracker(made.vm);
    Status started = tracker.start();
    EXPECT_EQ(started.ok(), number >= 17);
    if (!started) {
      EXPECT_EQ(started.error().code, Code::unsupported);
      EXPECT_EQ(started.error().error_number, EPERM);
      continue;
    }
    EXPECT_EQ(collect(tracker, 200), everything(200));
    made.host->guest_writes(4 * kPageSize, 1);
    EXPECT_EQ(collect(tracker, 200), Pages{4});
    tracker.stop();
    EXPECT_FALSE(made.host->vm().tracked);
    made.host->guest_writes(5 * kPageSize, 1);  // nobody sees this one
    start(tracker);
    EXPECT_EQ(collect(tracker, 200), everything(200));
  }
}

TEST(BhyveTracker, AProcessorWithoutDirtyBitsIsRefusedByName) {
  FakeSettings settings;
  settings.hardware_dirty_bits = false;
  TestVm made = make_vm(settings, 200, false);
  NptTracker tracker(made.vm);
  Status started = tracker.start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, Code::unsupported);
  EXPECT_EQ(started.error().error_number, ENOTSUP);
}

TEST(BhyveTracker, WhereBitsCannotBePutBackEveryLaterAttemptBeginsFromEverything) {  // R5
  TestVm made = make_vm();
  {
    NptTracker tracker(made.vm);
    start(tracker);
    made.host->guest_writes(3 * kPageSize, 1);
    EXPECT_EQ(collect(tracker, 200), Pages{3});
    made.host->fault = FakeHost::Fault{abi::VM_NPT_OPERATION, EIO, false, 0};
    tracker.stop();
  }
  for (int attempt = 0; attempt < 3; ++attempt) {
    NptTracker tracker(made.vm);  // another tracker of the same VM knows it too
    start(tracker);
    EXPECT_EQ(collect(tracker, 200), everything(200));
    tracker.stop();
  }
}

TEST(BhyveTracker, ExactlyWhatWasTakenIsPutBack) {  // R5
  constexpr uint64_t kPagesOfTwoPieces = (kGiB + 100 * kPageSize) / kPageSize;
  TestVm made = make_vm({}, kPagesOfTwoPieces);
  NptTracker tracker(made.vm);
  start(tracker);
  const Pages written = {0, 63, 64, 4000, kGiB / kPageSize - 1, kGiB / kPageSize + 5, kPagesOfTwoPieces - 1};
  DirtyBitmap bitmap(kPagesOfTwoPieces);
  for (const uint64_t page : written) {
    made.host->guest_writes(page * kPageSize, 1);
    EXPECT_EQ(tracker.collect(bitmap).dirty_pages, 1u);
  }
  EXPECT_TRUE(made.host->vm().dirty.empty());
  tracker.stop();
  EXPECT_EQ(made.host->vm().dirty, written);
}

TEST(BhyveTracker, TrackingThatSomebodySwitchedOffIsNoticedAtTheNextStart) {  // R5
  TestVm made = make_vm();
  made.host->vm().tracked = false;
  made.host->guest_writes(3 * kPageSize, 1);
  NptTracker tracker(made.vm);
  start(tracker);
  EXPECT_EQ(collect(tracker, 200), everything(200));
}

// Any order of writes, collections, failed calls and attempts, against plain sets.
TEST(BhyveTracker, NothingWrittenIsEverMissingFromWhatAnAttemptCollected) {  // R5
  constexpr uint64_t kPages = 70;
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    TestVm made = make_vm(version(12 + static_cast<int>(seed % 7)), kPages, seed % 7 < 5 || random() % 2 == 0);
    NptTracker tracker(made.vm);
    Pages written;      // since the VM was made
    Pages uncollected;  // written since the last collection of this attempt, or ever before its first
    bool started = false, certain = true;
    for (int step = 0; step < 80; ++step) {
      switch (random() % 6) {
        case 0:
        case 1: {
          const uint64_t page = random() % kPages;
          made.host->guest_writes(page * kPageSize, static_cast<uint8_t>(random()));
          written.insert(page);
          uncollected.insert(page);
          break;
        }
        case 2: {
          if (!started) break;
          DirtyBitmap bitmap(kPages);
          const Collected collected = tracker.collect(bitmap);
          const Pages found = pages_of(bitmap);
          for (const uint64_t page : uncollected) ASSERT_TRUE(found.contains(page)) << seed << " page " << page;
          if (!collected.complete()) {
            certain = false;
            ASSERT_EQ(found.size(), kPages);
          }
          // Nothing is reported that was never written, but where everything is.
          if (found.size() != kPages) {
            for (const uint64_t page : found) ASSERT_TRUE(written.contains(page)) << seed;
          }
          uncollected.clear();
          break;
        }
        case 3: {
          if (!started || random() % 2 == 0) break;
          const int request =
              made.vm->interface_version().has_npt_operation() ? abi::VM_NPT_OPERATION : abi::VM_TRACK_DIRTY_PAGES;
          made.host->fault = FakeHost::Fault{request, EFAULT, random() % 2 == 0, 0};
          break;
        }
        case 4:
          if (started) tracker.stop();
          started = false;
          made.host->fault.reset();
          uncollected = written;  // the next attempt has to send all of it
          break;
        case 5:
          if (started) break;
          started = tracker.start().ok();
          ASSERT_TRUE(started);
          certain = true;
          break;
      }
      if (!certain) uncollected = written;  // everything is reported until the attempt ends
    }
  }
}

}  // namespace
}  // namespace drover::bhyve
