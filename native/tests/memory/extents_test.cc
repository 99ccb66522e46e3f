#include "core/memory/extents.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <random>

#include "core/memory/populate.h"
#include "memory/test_memory.h"

namespace drover {
namespace {

std::vector<Extent> walk(const Region& region, uint64_t offset, uint64_t length) {
  std::vector<Extent> extents;
  ExtentCursor cursor(region, offset, length);
  while (true) {
    auto next = cursor.next();
    EXPECT_TRUE(next.ok());
    if (!next.ok() || !next.value()) return extents;
    extents.push_back(*next.value());
  }
}

std::vector<Extent> naive(const std::vector<bool>& data, uint64_t first, uint64_t end) {
  std::vector<Extent> extents;
  for (uint64_t page = first; page < end; ++page) {
    if (!data[page]) continue;
    if (!extents.empty() && extents.back().offset + extents.back().length == page * kPageSize) {
      extents.back().length += kPageSize;
    } else {
      extents.push_back({page * kPageSize, kPageSize});
    }
  }
  return extents;
}

TEST(ExtentCursor, FindsExactlyTheWrittenPagesOfAnyRange) {
  std::mt19937_64 random(7);
  for (int trial = 0; trial < 60; ++trial) {
    const uint64_t pages = 1 + random() % 60;
    const TestMemory made = make_memory({pages});
    std::vector<bool> data(pages);
    for (uint64_t page = 0; page < pages; ++page) {
      if (random() % 3 == 0) {
        made.page(page)[random() % kPageSize] = 1;
        data[page] = true;
      }
    }
    const uint64_t first = random() % (pages + 1), end = first + random() % (pages + 1 - first);
    EXPECT_EQ(walk(made.memory->region(0), first * kPageSize, (end - first) * kPageSize), naive(data, first, end));
    EXPECT_EQ(made.memory->data_pages().value(), naive(data, 0, pages).empty() ? 0 : made.resident_pages());
  }
}

TEST(ExtentCursor, CutsToTheRegionInsideALargerFile) {
  UniqueFd file(create_memfd("test", 10 * kPageSize).take());
  std::vector<uint8_t> full(10 * kPageSize, 1);
  ASSERT_EQ(pwrite(file.get(), full.data(), full.size(), 0), static_cast<ssize_t>(full.size()));
  const RegionSpec spec{"middle", file.get(), 3 * kPageSize, 4 * kPageSize};
  auto memory = GuestMemory::open({&spec, 1});
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(walk(memory.value()->region(0), 0, UINT64_MAX), (std::vector<Extent>{{0, 4 * kPageSize}}));
  EXPECT_EQ(walk(memory.value()->region(0), UINT64_MAX, 1), (std::vector<Extent>{}));
}

TEST(ExtentCursor, RoundsOutToWholePages) {
  const TestMemory made = make_memory({4});
  for (uint64_t page = 0; page < 4; ++page) made.page(page)[0] = 1;
  EXPECT_EQ(walk(made.memory->region(0), 4097, 1), (std::vector<Extent>{{4096, 4096}}));
  EXPECT_EQ(walk(made.memory->region(0), 4097, 4096), (std::vector<Extent>{{4096, 8192}}));
  EXPECT_EQ(walk(made.memory->region(0), 4096, 0), (std::vector<Extent>{}));
}

TEST(DataExtents, JoinNeighboursAndEndInOneRangeAtTheLimit) {
  const TestMemory made = make_memory({20});
  for (const uint64_t page : {1, 3, 8, 9, 15}) made.page(page)[0] = 1;
  const Region& region = made.memory->region(0);
  const auto pages = [](const std::vector<Extent>& extents) {
    std::vector<std::pair<uint64_t, uint64_t>> list;
    for (const Extent& extent : extents) list.push_back({extent.offset / kPageSize, extent.length / kPageSize});
    return list;
  };
  using List = std::vector<std::pair<uint64_t, uint64_t>>;
  EXPECT_EQ(pages(data_extents(region, 0, 100).value()), (List{{1, 1}, {3, 1}, {8, 2}, {15, 1}}));
  EXPECT_EQ(pages(data_extents(region, kPageSize, 100).value()), (List{{1, 1}, {3, 1}, {8, 2}, {15, 1}}));
  EXPECT_EQ(pages(data_extents(region, 2 * kPageSize, 100).value()), (List{{1, 3}, {8, 2}, {15, 1}}));
  EXPECT_EQ(pages(data_extents(region, 0, 2).value()), (List{{1, 1}, {3, 13}}));
  EXPECT_EQ(pages(data_extents(region, 0, 1).value()), (List{{1, 15}}));
}

TEST(DataExtents, LookingAtAHoleAllocatesNothing) {
  const TestMemory made = make_memory({4096});
  made.page(1000)[0] = 1;
  const uint64_t before = made.resident_pages();
  EXPECT_EQ(data_extents(made.memory->region(0), 0, 100).value().size(), 1u);
  EXPECT_EQ(made.memory->data_pages().value(), before);
  EXPECT_EQ(made.resident_pages(), before);
}

TEST(Populate, AllocatesExactlyTheRangesAndChangesNoByte) {
  const TestMemory made = make_memory({2048, 0, 16});
  made.page(3)[5] = 9;
  const std::vector<PopulateRange> ranges{{0, 0, 1500 * kPageSize}, {1, 0, 0}, {2, 2 * kPageSize, 4 * kPageSize}};
  auto done = populate(*made.memory, ranges, std::atomic<bool>(false));
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done.value(), 1504u);
  EXPECT_EQ(made.resident_pages(), 1504u);
  EXPECT_EQ(made.page(3)[5], 9);
  EXPECT_EQ(made.page(1400)[0], 0);
}

TEST(Populate, DoesNothingWhenCancelledOrWhenOneRangeIsWrong) {
  const TestMemory made = make_memory({16});
  const std::vector<PopulateRange> good{{0, 0, 16 * kPageSize}};
  EXPECT_EQ(populate(*made.memory, good, std::atomic<bool>(true)).value(), 0u);
  for (const PopulateRange& wrong : std::vector<PopulateRange>{{1, 0, kPageSize},
                                                               {0, 0, 17 * kPageSize},
                                                               {0, kPageSize, UINT64_MAX - 4095},
                                                               {0, 1, kPageSize},
                                                               {0, 17 * kPageSize, 0}}) {
    const std::vector<PopulateRange> ranges{good[0], wrong};
    EXPECT_EQ(populate(*made.memory, ranges, std::atomic<bool>(false)).error().code, Code::invalid_argument);
  }
  EXPECT_EQ(made.resident_pages(), 0u);
}

}  // namespace
}  // namespace drover
