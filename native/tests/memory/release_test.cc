#include "core/memory/release.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "memory/test_memory.h"

namespace drover {
namespace {

TEST(Release, LetsGoOfTheMemoryWithoutTheCaller) {
  TestMemory made = make_memory({64});
  std::weak_ptr<GuestMemory> memory = made.memory;
  release_quietly(std::move(made.memory));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!memory.expired() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(memory.expired());
}

TEST(Release, OfNothingDoesNothing) { release_quietly(nullptr); }

}  // namespace
}  // namespace drover
