// Guest memory for transfer tests: memfds, the core's view of them, and a second mapping that stands for the guest. The
// guest's view is a mapping of its own, as it is with a real VMM.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/memory/guest_memory.h"

namespace drover::testing {

class TestMemory {
 public:
  // Regions of so many pages, each at an offset of one page in a memfd that has a page more on both sides.
  explicit TestMemory(const std::vector<uint64_t>& region_pages) {
    std::vector<RegionSpec> specs;
    for (size_t index = 0; index < region_pages.size(); index++) {
      const uint64_t size = region_pages[index] * kPageSize;
      UniqueFd fd(::memfd_create("drover-test", MFD_CLOEXEC));
      EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size + 2 * kPageSize)), 0);
      specs.push_back({"region" + std::to_string(index), fd.get(), kPageSize, size});
      auto* view =
          static_cast<uint8_t*>(::mmap(nullptr, size + 2 * kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
      EXPECT_NE(view, MAP_FAILED);
      // What lies before and behind the region belongs to somebody else.
      std::memset(view, 0x5a, kPageSize);
      std::memset(view + kPageSize + size, 0x5a, kPageSize);
      views_.push_back(view);
      sizes_.push_back(size);
      fds_.push_back(std::move(fd));
    }
    auto opened = GuestMemory::open(specs);
    EXPECT_TRUE(opened.ok());
    core = opened.take();
  }

  ~TestMemory() {
    for (size_t index = 0; index < views_.size(); index++) ::munmap(views_[index], sizes_[index] + 2 * kPageSize);
  }
  TestMemory(const TestMemory&) = delete;
  TestMemory& operator=(const TestMemory&) = delete;

  // A page as the guest sees it. Touching it allocates it.
  uint8_t* guest_page(uint64_t page) const {
    const PageLocation at = core->locate(page);
    return views_[at.region] + kPageSize + at.offset;
  }

  void fill(uint64_t page, uint64_t seed) const {
    std::mt19937_64 random(seed);
    std::vector<uint64_t> words(kPageSize / 8);
    for (uint64_t& word : words) word = random() | 1;
    std::memcpy(guest_page(page), words.data(), kPageSize);
  }

  // The bytes of a page read through the descriptor: a hole stays a hole.
  std::vector<uint8_t> read(uint64_t page) const {
    const PageLocation at = core->locate(page);
    std::vector<uint8_t> bytes(kPageSize);
    EXPECT_EQ(::pread(fds_[at.region].get(), bytes.data(), kPageSize, static_cast<off_t>(kPageSize + at.offset)),
              static_cast<ssize_t>(kPageSize));
    return bytes;
  }

  // Pages that the descriptors have memory for.
  uint64_t allocated_pages() const {
    uint64_t blocks = 0;
    for (const UniqueFd& fd : fds_) {
      struct stat status;
      EXPECT_EQ(::fstat(fd.get(), &status), 0);
      blocks += static_cast<uint64_t>(status.st_blocks);
    }
    return blocks * 512 / kPageSize - 2 * fds_.size();
  }

  bool guards_intact() const {
    const std::vector<uint8_t> guard(kPageSize, 0x5a);
    for (size_t index = 0; index < views_.size(); index++) {
      if (std::memcmp(views_[index], guard.data(), kPageSize) != 0) return false;
      if (std::memcmp(views_[index] + kPageSize + sizes_[index], guard.data(), kPageSize) != 0) return false;
    }
    return true;
  }

  std::shared_ptr<GuestMemory> core;

 private:
  std::vector<UniqueFd> fds_;
  std::vector<uint8_t*> views_;
  std::vector<uint64_t> sizes_;
};

// The first page that differs, -1 when none does.
inline int64_t first_difference(const TestMemory& a, const TestMemory& b) {
  for (uint64_t page = 0; page < a.core->pages(); page++) {
    if (a.read(page) != b.read(page)) return static_cast<int64_t>(page);
  }
  return -1;
}

}  // namespace drover::testing
