#include "core/memory/digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "core/memory/extents.h"

namespace drover {

namespace {

// What one thread takes at a time, pages (2 MiB).
constexpr uint64_t kChunkPages = 512;

bool is_zero(const uint8_t* page) { return page[0] == 0 && std::memcmp(page, page + 1, kPageSize - 1) == 0; }

void add_page(MemoryDigest& sum, const uint8_t* page, uint64_t number) {
  if (is_zero(page)) return;
  const XXH128_hash_t hash = XXH3_128bits_withSeed(page, kPageSize, number);
  sum.low += hash.low64;
  sum.high += hash.high64;
  sum.data_pages += 1;
}

// The part of [offset, offset + length) of one region.
Status add_range(MemoryDigest& sum, const Region& region, uint64_t offset, uint64_t length) {
  ExtentCursor cursor(region, offset, length);
  while (true) {
    auto extent = cursor.next();
    if (!extent) return extent.error();
    if (!extent.value()) return success();
    const uint64_t end = extent.value()->offset + extent.value()->length;
    for (uint64_t at = extent.value()->offset; at < end; at += kPageSize) {
      add_page(sum, region.data() + at, region.first_page() + at / kPageSize);
    }
  }
}

}  // namespace

std::string MemoryDigest::hex() const {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

Result<MemoryDigest> digest(const GuestMemory& memory, unsigned threads, const std::atomic<bool>& cancel) {
  std::atomic<uint64_t> next_page{0};
  std::mutex mutex;
  MemoryDigest total;
  std::optional<Error> failure;

  const auto work = [&] {
    MemoryDigest sum;
    std::optional<Error> failed;
    while (!failed) {
      const uint64_t first = next_page.fetch_add(kChunkPages);
      if (first >= memory.pages()) break;
      if (cancel.load()) {
        failed = Error{Code::cancelled, "the digest of guest memory was cancelled"};
        break;
      }
      const uint64_t last = std::min(first + kChunkPages, memory.pages());
      for (uint64_t page = first; page < last && !failed;) {
        const PageLocation at = memory.locate(page);
        const Region& region = memory.region(at.region);
        const uint64_t pages = std::min(last - page, region.pages() - at.offset / kPageSize);
        if (Status added = add_range(sum, region, at.offset, pages * kPageSize); !added) failed = added.error();
        page += pages;
      }
    }
    std::lock_guard lock(mutex);
    total.low += sum.low;
    total.high += sum.high;
    total.data_pages += sum.data_pages;
    if (failed) failure = std::move(failed);
  };

  std::vector<std::thread> helpers;
  for (unsigned index = 1; index < std::clamp(threads, 1u, 64u); ++index) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  if (failure) return *failure;
  return total;
}

}  // namespace drover
