#include "core/dirty/pagemap_scan_tracker.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <cstring>
#include <random>
#include <set>
#include <thread>

#include "core/probe/tracking_probe.h"
#include "dirty/tracked_process.h"
#include "memory/test_memory.h"

namespace drover {
namespace {

using std::chrono::milliseconds;

class PagemapScanTrackerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const TrackingProbe probe = probe_tracking();
    for (const ProbeAnswer& answer : {probe.userfaultfd, probe.async_write_protect, probe.pagemap_scan}) {
      if (!answer.ok) GTEST_SKIP() << answer.detail;
    }
  }

  static std::shared_ptr<PagemapScanTracker> tracker(const TestMemory& made, const TrackedProcess& process,
                                                     milliseconds timeout = milliseconds(2000)) {
    auto created = PagemapScanTracker::create({made.memory, process.pid(), process.socket(), timeout});
    EXPECT_TRUE(created.ok());
    return created.take();
  }
  static std::shared_ptr<PagemapScanTracker> started(const TestMemory& made, const TrackedProcess& process) {
    auto created = tracker(made, process);
    Status done = created->start();
    EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().message);
    return created;
  }
  static std::set<uint64_t> collected(PagemapScanTracker& tracker, uint64_t pages) {
    DirtyBitmap bitmap(pages);
    const Collected result = tracker.collect(bitmap);
    EXPECT_TRUE(result.complete()) << result.error.value_or("");
    EXPECT_EQ(result.dirty_pages, bitmap.count());
    std::set<uint64_t> found;
    for (auto run = bitmap.next_run(0); run; run = bitmap.next_run(run->first + run->count)) {
      for (uint64_t page = run->first; page < run->first + run->count; ++page) found.insert(page);
    }
    return found;
  }
  static void expect_everything(PagemapScanTracker& tracker, uint64_t pages) {
    DirtyBitmap bitmap(pages);
    const Collected result = tracker.collect(bitmap);
    EXPECT_FALSE(result.complete());
    EXPECT_EQ(result.dirty_pages, pages);
    EXPECT_EQ(bitmap.count(), pages);
  }
};

using Pages = std::set<uint64_t>;

TEST_F(PagemapScanTrackerTest, ReportsEachWrittenPageOnceWhetherItHadContentOrNot) {
  const TestMemory made = make_memory({64});
  TrackedProcess process(made.files[0].get());
  process.write(1, 1);
  process.write(2, 1);
  const auto tracker = started(made, process);
  EXPECT_EQ(collected(*tracker, 64), Pages());
  process.write(2, 2);
  process.write(40, 1);
  process.write(41, 0);
  EXPECT_EQ(collected(*tracker, 64), (Pages{2, 40, 41}));
  EXPECT_EQ(collected(*tracker, 64), Pages());
  process.write(2, 3);
  EXPECT_EQ(collected(*tracker, 64), Pages{2});
}

TEST_F(PagemapScanTrackerTest, AddsToWhatTheBitmapHoldsAlready) {
  const TestMemory made = make_memory({8});
  TrackedProcess process(made.files[0].get());
  const auto tracker = started(made, process);
  DirtyBitmap bitmap(8);
  bitmap.set(7);
  process.write(3, 1);
  EXPECT_EQ(tracker->collect(bitmap).dirty_pages, 1u);
  EXPECT_EQ(bitmap.count(), 2u);
}

TEST_F(PagemapScanTrackerTest, R5MissesNoPageOfARandomWorkload) {
  constexpr uint64_t kPages = 5000;
  const TestMemory made = make_memory({kPages});
  TrackedProcess process(made.files[0].get());
  std::mt19937_64 random(11);
  for (int index = 0; index < 500; ++index) process.write(random() % kPages, random());
  const auto tracker = started(made, process);
  const uint8_t* live = made.memory->region(0).data();
  std::vector<uint8_t> copy(live, live + kPages * kPageSize);
  for (int round = 0; round < 8; ++round) {
    for (int index = 0; index < 200; ++index) process.write(random() % kPages, random());
    const Pages reported = collected(*tracker, kPages);
    for (uint64_t page = 0; page < kPages; ++page) {
      if (std::memcmp(copy.data() + page * kPageSize, live + page * kPageSize, kPageSize) == 0) continue;
      EXPECT_TRUE(reported.contains(page)) << "page " << page << " changed unseen";
      std::memcpy(copy.data() + page * kPageSize, live + page * kPageSize, kPageSize);
    }
  }
}

TEST_F(PagemapScanTrackerTest, R3CopiesMadeWhileTheProcessWritesAreRightAfterAQuietLastRound) {
  constexpr uint64_t kPages = 700;
  const TestMemory made = make_memory({kPages});
  TrackedProcess process(made.files[0].get());
  const auto tracker = started(made, process);
  const uint8_t* live = made.memory->region(0).data();
  std::vector<uint8_t> copy(kPages * kPageSize);
  ASSERT_EQ(process.ask("a " + std::to_string(kPages)), "ok");
  const auto copy_pages = [&](const Pages& pages) {
    for (const uint64_t page : pages) {
      // Through the file, as the process writes: a read of memory that another process writes is no race of this one.
      ASSERT_EQ(
          pread(made.files[0].get(), copy.data() + page * kPageSize, kPageSize, static_cast<off_t>(page * kPageSize)),
          static_cast<ssize_t>(kPageSize));
    }
  };
  uint64_t seen = 0;
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(10000);
  while (seen < 50 * kPages && std::chrono::steady_clock::now() < deadline) {
    const Pages pages = collected(*tracker, kPages);
    seen += pages.size();
    copy_pages(pages);
  }
  EXPECT_GE(seen, 50 * kPages);
  ASSERT_EQ(process.ask("w 0 1"), "ok");  // ends the writer
  copy_pages(collected(*tracker, kPages));
  EXPECT_EQ(std::memcmp(copy.data(), live, copy.size()), 0);
}

TEST_F(PagemapScanTrackerTest, FollowsRegionsThatShareOneFileInAnotherOrder) {
  const UniqueFd file(create_memfd("test", 10 * kPageSize).take());
  const std::vector<RegionSpec> specs{{"high", file.get(), 6 * kPageSize, 4 * kPageSize},
                                      {"none", file.get(), 0, 0},
                                      {"low", file.get(), 0, 2 * kPageSize}};
  TestMemory made;
  made.memory = GuestMemory::open(specs).take();
  TrackedProcess process(file.get());
  const auto tracker = started(made, process);
  for (const uint64_t page : {0, 3, 6, 9}) process.write(page, 1);
  EXPECT_EQ(collected(*tracker, 6), (Pages{0, 3, 4}));
}

TEST_F(PagemapScanTrackerTest, MemoryOfNoPageAndOfOnePageCanBeTracked) {
  const TestMemory none = make_memory({0});
  TrackedProcess idle(none.files[0].get());
  EXPECT_EQ(collected(*started(none, idle), 0), Pages());

  const TestMemory one = make_memory({0, 1, 0});
  TrackedProcess process(one.files[1].get());
  const auto tracker = started(one, process);
  EXPECT_EQ(collected(*tracker, 1), Pages());
  process.write(0, 1);
  EXPECT_EQ(collected(*tracker, 1), Pages{0});
}

TEST_F(PagemapScanTrackerTest, R11ASecondTrackerStartsWholeAfterTheFirstOneIsGone) {
  const TestMemory made = make_memory({16});
  TrackedProcess process(made.files[0].get());
  auto first = started(made, process);
  process.write(1, 1);
  first.reset();
  const auto second = started(made, process);
  process.write(2, 1);
  EXPECT_EQ(collected(*second, 16), Pages{2});
}

TEST_F(PagemapScanTrackerTest, R11WaitsForAnEarlierTrackerToLetGo) {
  const TestMemory made = make_memory({16});
  TrackedProcess process(made.files[0].get());
  const auto first = started(made, process);
  std::thread leaving([&] {
    std::this_thread::sleep_for(milliseconds(100));
    first->stop();
    first->stop();
  });
  const auto second = started(made, process);
  leaving.join();
  process.write(5, 1);
  EXPECT_EQ(collected(*second, 16), Pages{5});
}

TEST_F(PagemapScanTrackerTest, R12GivesUpInTimeWhileAnotherTrackerHoldsTheMemory) {
  const TestMemory made = make_memory({16});
  TrackedProcess process(made.files[0].get());
  const auto first = started(made, process);
  const auto second = tracker(made, process, milliseconds(60));
  const auto before = std::chrono::steady_clock::now();
  Status refused = second->start();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(5000));
  expect_everything(*second, 16);
  // The one that was there is not disturbed.
  process.write(3, 1);
  EXPECT_EQ(collected(*first, 16), Pages{3});
}

TEST_F(PagemapScanTrackerTest, R12AStartUnderWayEndsWhenItIsStopped) {
  const TestMemory made = make_memory({16});
  TrackedProcess process(made.files[0].get());
  const auto first = started(made, process);
  const auto second = tracker(made, process, milliseconds(20000));
  std::thread stopping([&] {
    std::this_thread::sleep_for(milliseconds(50));
    second->stop();
  });
  const auto before = std::chrono::steady_clock::now();
  Status ended = second->start();
  stopping.join();
  ASSERT_FALSE(ended.ok());
  EXPECT_EQ(ended.error().code, Code::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(5000));
}

TEST_F(PagemapScanTrackerTest, R5AKilledProcessMakesEverythingDirtyForGood) {
  for (const bool reap : {true, false}) {
    const TestMemory made = make_memory({100});
    TrackedProcess process(made.files[0].get());
    const auto tracker = started(made, process);
    process.write(3, 1);
    process.kill(reap);
    expect_everything(*tracker, 100);
    expect_everything(*tracker, 100);
  }
}

TEST_F(PagemapScanTrackerTest, R5AnUnmappedPageMakesEverythingDirtyForGood) {
  const TestMemory made = make_memory({100});
  TrackedProcess process(made.files[0].get());
  const auto tracker = started(made, process);
  ASSERT_EQ(process.ask("u 50"), "ok");
  expect_everything(*tracker, 100);
  expect_everything(*tracker, 100);
}

TEST_F(PagemapScanTrackerTest, R5ASecondMappingThatAppearsMakesEverythingDirtyForGood) {
  const TestMemory made = make_memory({100});
  TrackedProcess process(made.files[0].get());
  const auto tracker = started(made, process);
  EXPECT_EQ(collected(*tracker, 100), Pages());
  ASSERT_EQ(process.ask("m"), "ok");
  ASSERT_EQ(process.ask("x 9 1"), "ok");
  expect_everything(*tracker, 100);
}

TEST_F(PagemapScanTrackerTest, SeesWritesThroughEveryMappingThatWasThereAtTheStart) {
  const TestMemory made = make_memory({100});
  TrackedProcess process(made.files[0].get());
  ASSERT_EQ(process.ask("m"), "ok");
  const auto tracker = started(made, process);
  ASSERT_EQ(process.ask("x 9 1"), "ok");
  process.write(10, 1);
  EXPECT_EQ(collected(*tracker, 100), (Pages{9, 10}));
}

TEST_F(PagemapScanTrackerTest, ASplitAreaIsNoChangeAndLosesNoPage) {
  const TestMemory made = make_memory({100});
  TrackedProcess process(made.files[0].get());
  ASSERT_EQ(process.ask("s 20 10"), "ok");
  const auto tracker = started(made, process);
  process.write(19, 1);
  ASSERT_EQ(process.ask("s 40 7"), "ok");
  process.write(41, 1);
  EXPECT_EQ(collected(*tracker, 100), (Pages{19, 41}));
  process.write(41, 1);
  EXPECT_EQ(collected(*tracker, 100), Pages{41});
}

TEST_F(PagemapScanTrackerTest, R5EverythingIsDirtyBeforeTheStartAndAfterTheStop) {
  const TestMemory made = make_memory({10});
  TrackedProcess process(made.files[0].get());
  expect_everything(*tracker(made, process), 10);
  const auto stopped = started(made, process);
  stopped->stop();
  expect_everything(*stopped, 10);
  Status again = stopped->start();
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, Code::invalid_argument);
}

TEST_F(PagemapScanTrackerTest, R5ABitmapOfAnotherSizeIsFilled) {
  const TestMemory made = make_memory({10});
  TrackedProcess process(made.files[0].get());
  const auto tracker = started(made, process);
  expect_everything(*tracker, 9);
}

TEST_F(PagemapScanTrackerTest, RefusesAProcessThatDoesNotMapTheMemory) {
  const TestMemory made = make_memory({10}), other = make_memory({10});
  TrackedProcess process(other.files[0].get());
  const auto tracker = this->tracker(made, process);
  Status refused = tracker->start();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_NE(refused.error().message.find("ram0"), std::string::npos);
}

TEST_F(PagemapScanTrackerTest, RefusesASocketThatBelongsToAnotherProcess) {
  const TestMemory made = make_memory({10});
  TrackedProcess process(made.files[0].get()), other(made.files[0].get());
  auto mixed = PagemapScanTracker::create({made.memory, process.pid(), other.socket(), milliseconds(500)});
  Status refused = mixed.value()->start();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
}

TEST_F(PagemapScanTrackerTest, SaysThatTheProcessIsGone) {
  const TestMemory made = make_memory({10});
  TrackedProcess process(made.files[0].get());
  process.kill();
  Status refused = tracker(made, process)->start();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::vmm_gone);
}

TEST_F(PagemapScanTrackerTest, SaysThatTheShimIsMissing) {
  const TestMemory made = make_memory({10});
  TrackedProcess process(made.files[0].get());
  auto created = PagemapScanTracker::create({made.memory, process.pid(), process.socket() + "-not", milliseconds(500)});
  Status refused = created.value()->start();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().error_number, ENOENT);
}

}  // namespace
}  // namespace drover
