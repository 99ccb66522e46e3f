#include "core/memory/guest_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <fstream>
#include <random>
#include <sstream>

#include "core/memory/extents.h"
#include "memory/test_memory.h"

namespace drover {
namespace {

Code open_code(const RegionSpec& spec) {
  auto opened = GuestMemory::open({&spec, 1});
  EXPECT_FALSE(opened.ok());
  return opened.ok() ? Code::closed : opened.error().code;
}

TEST(GuestMemory, NumbersPagesThroughAllRegionsAndBack) {
  const TestMemory made = make_memory({0, 3, 0, 0, 1, 2, 0});
  const std::vector<PageLocation> expected{{1, 0}, {1, 4096}, {1, 8192}, {4, 0}, {5, 0}, {5, 4096}};
  ASSERT_EQ(made.memory->pages(), expected.size());
  for (uint64_t page = 0; page < expected.size(); ++page) {
    const PageLocation at = made.memory->locate(page);
    EXPECT_EQ(at, expected[page]);
    EXPECT_EQ(made.memory->page_number(at.region, at.offset), page);
    EXPECT_EQ(made.page(page), made.memory->region(at.region).data() + at.offset);
  }
}

TEST(GuestMemory, OpensNothingAtAllAndARegionWithoutBytes) {
  EXPECT_EQ(make_memory({}).memory->pages(), 0u);
  const TestMemory made = make_memory({0});
  EXPECT_EQ(made.memory->pages(), 0u);
  EXPECT_EQ(made.memory->region(0).data(), nullptr);
  EXPECT_EQ(made.memory->data_pages().value(), 0u);
}

TEST(GuestMemory, SharesTheDescriptorsPagesAndStartsAtItsOffset) {
  UniqueFd file(create_memfd("test", 4 * kPageSize).take());
  const RegionSpec spec{"high", file.get(), 2 * kPageSize, 2 * kPageSize};
  auto memory = GuestMemory::open({&spec, 1});
  ASSERT_TRUE(memory.ok());
  const char text[] = "written through the file";
  ASSERT_EQ(pwrite(file.get(), text, sizeof text, 3 * kPageSize), static_cast<ssize_t>(sizeof text));
  EXPECT_STREQ(reinterpret_cast<char*>(memory.value()->page_data(1)), text);
  // The core works on a duplicate.
  file.reset();
  EXPECT_EQ(memory.value()->data_pages().value(), 1u);
}

TEST(GuestMemory, RefusesRegionsThatCannotBe) {
  const UniqueFd file(create_memfd("test", 2 * kPageSize).take());
  const int fd = file.get();
  EXPECT_EQ(open_code({"", fd, 0, kPageSize}), Code::invalid_argument);
  EXPECT_EQ(open_code({std::string(64, 'x'), fd, 0, kPageSize}), Code::invalid_argument);
  EXPECT_EQ(open_code({"ram", fd, 1, kPageSize}), Code::invalid_argument);
  EXPECT_EQ(open_code({"ram", fd, 0, kPageSize + 1}), Code::invalid_argument);
  EXPECT_EQ(open_code({"ram", fd, 0, 3 * kPageSize}), Code::invalid_argument);
  EXPECT_EQ(open_code({"ram", fd, UINT64_MAX - 4095, kPageSize}), Code::invalid_argument);
  EXPECT_EQ(open_code({"ram", fd, kPageSize, UINT64_MAX - 4095}), Code::invalid_argument);
  EXPECT_EQ(open_code({"ram", -1, 0, kPageSize}), Code::system_call);
  const std::vector<RegionSpec> twice{{"ram", fd, 0, kPageSize}, {"ram", fd, kPageSize, kPageSize}};
  EXPECT_EQ(GuestMemory::open(twice).error().code, Code::invalid_argument);
}

TEST(GuestMemory, RefusesAReadOnlyDescriptorAsAMissingPermission) {
  const UniqueFd file(create_memfd("test", kPageSize).take());
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  const UniqueFd read_only(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(open_code({"ram", read_only.get(), 0, kPageSize}), Code::permission);
}

TEST(GuestMemory, KeepsOutOfCoreFilesAndChildProcesses) {
  const TestMemory made = make_memory({8});
  std::ifstream smaps("/proc/self/smaps");
  std::stringstream start;
  start << std::hex << reinterpret_cast<uintptr_t>(made.memory->region(0).data()) << '-';
  std::string line, flags;
  while (std::getline(smaps, line) && !line.starts_with(start.str())) {
  }
  while (std::getline(smaps, flags) && !flags.starts_with("VmFlags:")) {
  }
  EXPECT_NE(flags.find(" dd"), std::string::npos) << flags;  // not dumped
  EXPECT_NE(flags.find(" dc"), std::string::npos) << flags;  // not copied on fork
}

TEST(Memfd, CannotShrinkUnderItsReaders) {
  const UniqueFd file(create_memfd("test", 2 * kPageSize).take());
  EXPECT_NE(ftruncate(file.get(), kPageSize), 0);
  EXPECT_EQ(errno, EPERM);
  EXPECT_NE(fcntl(file.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(Memfd, RefusesNamesAndSizesThatCannotBe) {
  EXPECT_EQ(create_memfd(std::string(250, 'n'), 0).error().code, Code::invalid_argument);
  EXPECT_EQ(create_memfd("n", UINT64_MAX).error().code, Code::invalid_argument);
}

TEST(TryLock, IsHeldByOneOpenFileAtATime) {
  std::string path = "/tmp/drover-lock-XXXXXX";
  const UniqueFd first(mkostemp(path.data(), O_CLOEXEC));
  UniqueFd second(open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(try_lock(first.get()).value());
  EXPECT_FALSE(try_lock(second.get()).value());
  EXPECT_FALSE(try_lock(-1).ok());
  unlink(path.c_str());
}

}  // namespace
}  // namespace drover
