#include "core/dirty/bitmap.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <random>
#include <thread>

#include "core/memory/memfd.h"

namespace drover {
namespace {

std::vector<PageRun> runs_of(const DirtyBitmap& bitmap, uint64_t limit = UINT64_MAX) {
  std::vector<PageRun> runs;
  for (auto run = bitmap.next_run(0, limit); run; run = bitmap.next_run(run->first + run->count, limit)) {
    runs.push_back(*run);
  }
  return runs;
}

std::vector<PageRun> naive_runs(const std::vector<bool>& pages, uint64_t limit) {
  std::vector<PageRun> runs;
  for (uint64_t page = 0; page < pages.size(); ++page) {
    if (!pages[page]) continue;
    if (!runs.empty() && runs.back().first + runs.back().count == page && runs.back().count < limit) {
      ++runs.back().count;
    } else {
      runs.push_back({page, 1});
    }
  }
  return runs;
}

TEST(DirtyBitmap, AgreesWithANaiveSetInAnyOrderOfOperations) {
  std::mt19937_64 random(20261121);
  for (int trial = 0; trial < 400; ++trial) {
    const uint64_t pages = random() % 400;
    DirtyBitmap bitmap(pages), other(pages);
    std::vector<bool> expected(pages), other_expected(pages);
    for (int step = 0; step < 12; ++step) {
      const uint64_t first = random() % (pages + 3), count = random() % 150;
      switch (random() % 6) {
        case 0:
          bitmap.clear();
          std::fill(expected.begin(), expected.end(), false);
          break;
        case 1:
          ASSERT_TRUE(bitmap.merge(other).ok());
          for (uint64_t page = 0; page < pages; ++page) expected[page] = expected[page] || other_expected[page];
          break;
        case 2:
          other.set_range(first, count);
          for (uint64_t page = first; page < std::min(pages, first + count); ++page) other_expected[page] = true;
          break;
        case 3:
          bitmap.set(first);
          if (first < pages) expected[first] = true;
          break;
        default:
          bitmap.set_range(first, count);
          for (uint64_t page = first; page < std::min(pages, first + count); ++page) expected[page] = true;
      }
      ASSERT_EQ(bitmap.count(), static_cast<uint64_t>(std::count(expected.begin(), expected.end(), true)));
      ASSERT_EQ(runs_of(bitmap), naive_runs(expected, UINT64_MAX));
      ASSERT_EQ(runs_of(bitmap, 7), naive_runs(expected, 7));
      const uint64_t page = random() % (pages + 70);
      ASSERT_EQ(bitmap.test(page), page < pages && expected[page]);
    }
  }
}

TEST(DirtyBitmap, SettingAllCountsExactlyItsPages) {
  for (const uint64_t pages : {0, 1, 63, 64, 65, 128, 1000}) {
    DirtyBitmap bitmap(pages);
    bitmap.set_all();
    EXPECT_EQ(bitmap.count(), pages);
    EXPECT_EQ(runs_of(bitmap).size(), pages == 0 ? 0u : 1u);
  }
}

TEST(DirtyBitmap, ARangeThatOverflowsIsCutToTheEnd) {
  DirtyBitmap bitmap(100);
  bitmap.set_range(90, UINT64_MAX);
  EXPECT_EQ(runs_of(bitmap), (std::vector<PageRun>{{90, 10}}));
}

TEST(DirtyBitmap, RefusesToMergeAnotherSize) {
  DirtyBitmap bitmap(64);
  Status merged = bitmap.merge(DirtyBitmap(65));
  ASSERT_FALSE(merged.ok());
  EXPECT_EQ(merged.error().code, Code::invalid_argument);
}

TEST(DirtyBitmap, ThreadsThatSetTogetherLoseNoPage) {
  DirtyBitmap bitmap(64 * 1024);
  std::vector<std::thread> threads;
  for (uint64_t lane = 0; lane < 4; ++lane) {
    threads.emplace_back([&bitmap, lane] {
      for (uint64_t page = lane; page < bitmap.pages(); page += 4) bitmap.set(page);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bitmap.count(), bitmap.pages());
}

TEST(DirtyBitmap, InSharedMemoryIsOneForAllWhoMapIt) {
  auto file = create_memfd("bitmap", DirtyBitmap::bytes_for(100));
  ASSERT_TRUE(file.ok());
  auto one = DirtyBitmap::over(file.value().get(), 100), other = DirtyBitmap::over(file.value().get(), 100);
  ASSERT_TRUE(one.ok() && other.ok());
  one.value()->set_range(60, 10);
  EXPECT_EQ(runs_of(*other.value()), (std::vector<PageRun>{{60, 10}}));
  other.value()->clear();
  EXPECT_EQ(one.value()->count(), 0u);
  // What lies past its pages is nobody's, whoever sets it.
  auto larger = DirtyBitmap::over(file.value().get(), 128);
  ASSERT_TRUE(larger.ok());
  larger.value()->set_range(90, 38);
  EXPECT_EQ(one.value()->count(), 10u);
  EXPECT_EQ(runs_of(*one.value()), (std::vector<PageRun>{{90, 10}}));
}

TEST(DirtyBitmap, IsNotMadeOverMemoryThatIsTooSmallOrCanShrink) {
  auto file = create_memfd("bitmap", DirtyBitmap::bytes_for(100));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(DirtyBitmap::over(file.value().get(), 129).error().code, Code::invalid_argument);
  const UniqueFd unsealed(memfd_create("bitmap", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(unsealed.get(), 4096), 0);
  EXPECT_EQ(DirtyBitmap::over(unsealed.get(), 100).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace drover
