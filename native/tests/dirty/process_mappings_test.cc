#include "core/dirty/process_mappings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdio>

#include "memory/test_memory.h"

namespace drover {
namespace {

// A line of /proc/PID/maps for pages [first, first + pages) of `file`, mapped at `address`.
std::string line(const UniqueFd& file, uint64_t address, uint64_t first, uint64_t pages, const char* mode = "rw-s") {
  struct stat status {};
  EXPECT_EQ(fstat(file.get(), &status), 0);
  char text[256];
  std::snprintf(text, sizeof text, "%lx-%lx %s %08lx %02x:%02x %lu                  /memfd:test (deleted)\n",
                static_cast<unsigned long>(address), static_cast<unsigned long>(address + pages * kPageSize), mode,
                static_cast<unsigned long>(first * kPageSize), major(status.st_dev), minor(status.st_dev),
                static_cast<unsigned long>(status.st_ino));
  return text;
}

constexpr uint64_t kBase = 0x7f0000000000;
const char kOther[] =
    "55d0c8a5e000-55d0c8a60000 r--p 00000000 08:01 1234  /usr/bin/qemu-system-x86_64\n"
    "7f1000000000-7f1000001000 rw-s 00000000 00:01 99999999  /dev/zero (deleted)\n";

std::vector<Mapping> found(const TestMemory& made, const std::string& maps) {
  auto mappings = find_mappings(*made.memory, maps);
  EXPECT_TRUE(mappings.ok()) << (mappings.ok() ? "" : mappings.error().message);
  return mappings.ok() ? mappings.value() : std::vector<Mapping>{};
}

TEST(ProcessMappings, JoinsAreasThatTheKernelHasSplit) {
  const TestMemory made = make_memory({10});
  const UniqueFd& file = made.files[0];
  const std::string split = line(file, kBase, 0, 4) + line(file, kBase + 4 * kPageSize, 4, 6) + kOther;
  EXPECT_EQ(found(made, split), (std::vector<Mapping>{{kBase, 10 * kPageSize, 0}}));
  EXPECT_EQ(found(made, split), found(made, kOther + line(file, kBase, 0, 10)));
}

TEST(ProcessMappings, NamesEveryWayToWriteAPage) {
  const TestMemory made = make_memory({10});
  const UniqueFd& file = made.files[0];
  const uint64_t second = kBase + (1 << 30);
  EXPECT_EQ(found(made, line(file, kBase, 0, 10) + line(file, second, 3, 2)),
            (std::vector<Mapping>{{kBase, 10 * kPageSize, 0}, {second, 2 * kPageSize, 3}}));
}

TEST(ProcessMappings, CutsToRegionsThatAreOnlyAPartOfTheirFile) {
  const UniqueFd file(create_memfd("test", 10 * kPageSize).take());
  const std::vector<RegionSpec> specs{{"high", file.get(), 6 * kPageSize, 4 * kPageSize},
                                      {"none", file.get(), 0, 0},
                                      {"low", file.get(), kPageSize, 2 * kPageSize}};
  auto memory = GuestMemory::open(specs);
  ASSERT_TRUE(memory.ok());
  auto mappings = find_mappings(*memory.value(), line(file, kBase, 0, 10));
  ASSERT_TRUE(mappings.ok());
  EXPECT_EQ(mappings.value(),
            (std::vector<Mapping>{{kBase + kPageSize, 2 * kPageSize, 4}, {kBase + 6 * kPageSize, 4 * kPageSize, 0}}));
}

TEST(ProcessMappings, RefuseMemoryOfWhichAPageCannotBeTracked) {
  const TestMemory made = make_memory({10});
  const UniqueFd& file = made.files[0];
  for (const std::string& maps : {
           std::string(kOther),
           line(file, kBase, 0, 9),
           line(file, kBase, 1, 9),
           line(file, kBase, 0, 4) + line(file, kBase + 5 * kPageSize, 5, 5),
           line(file, kBase, 0, 10, "rw-p"),
           line(file, kBase, 0, 10, "r--s"),
       }) {
    auto mappings = find_mappings(*made.memory, maps);
    ASSERT_FALSE(mappings.ok()) << maps;
    EXPECT_EQ(mappings.error().code, Code::invalid_argument);
  }
}

TEST(ProcessMappings, RefuseALineTheyCannotRead) {
  const TestMemory made = make_memory({1});
  EXPECT_EQ(find_mappings(*made.memory, "zz-yy rw-s what\n").error().code, Code::system_call);
}

TEST(ProcessMappings, MemoryWithoutPagesNeedsNone) {
  EXPECT_TRUE(found(make_memory({0}), kOther).empty());
  EXPECT_TRUE(found(make_memory({}), "").empty());
}

}  // namespace
}  // namespace drover
