#include "core/memory/release.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <chrono>
#include <thread>

#include "core/memory/memfd.h"
#include "memory/test_memory.h"

namespace drover {
namespace {

bool mapped(const uint8_t* page) { return msync(const_cast<uint8_t*>(page), kPageSize, MS_ASYNC) == 0; }

TEST(Release, EndsALargeMemoryWithoutWhoeverLetGoOfIt) {
  auto file = create_memfd("release-test", kQuietBytes);
  ASSERT_TRUE(file.ok());
  const RegionSpec spec{"ram", file.value().get(), 0, kQuietBytes};
  auto opened = GuestMemory::open({&spec, 1});
  ASSERT_TRUE(opened.ok());
  auto memory = opened.take();
  const uint8_t* page = memory->region(0).data();
  ASSERT_TRUE(mapped(page));
  memory.reset();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (mapped(page) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_FALSE(mapped(page));
}

TEST(Release, EndsASmallMemoryAtOnce) {
  TestMemory made = make_memory({64});
  const uint8_t* page = made.memory->region(0).data();
  ASSERT_TRUE(mapped(page));
  made.memory.reset();
  EXPECT_FALSE(mapped(page));
}

}  // namespace
}  // namespace drover
