// Guest memory for tests.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <utility>
#include <vector>

#include "core/memory/guest_memory.h"
#include "core/memory/memfd.h"

namespace drover {

struct TestMemory {
  std::vector<UniqueFd> files;
  std::shared_ptr<GuestMemory> memory;

  uint8_t* page(uint64_t number) const { return memory->page_data(number); }
  // Pages that the files hold, by what the file system charges.
  uint64_t resident_pages() const {
    uint64_t blocks = 0;
    for (const UniqueFd& file : files) {
      struct stat status {};
      EXPECT_EQ(fstat(file.get(), &status), 0);
      blocks += static_cast<uint64_t>(status.st_blocks);
    }
    return blocks * 512 / kPageSize;
  }
};

// One memfd a region, of so many pages each.
inline TestMemory make_memory(const std::vector<uint64_t>& pages) {
  TestMemory made;
  std::vector<RegionSpec> specs;
  for (const uint64_t count : pages) {
    auto file = create_memfd("test", count * kPageSize);
    EXPECT_TRUE(file.ok());
    made.files.push_back(file.take());
    specs.push_back({"ram" + std::to_string(specs.size()), made.files.back().get(), 0, count * kPageSize});
  }
  auto memory = GuestMemory::open(specs);
  EXPECT_TRUE(memory.ok());
  made.memory = memory.take();
  return made;
}

}  // namespace drover
