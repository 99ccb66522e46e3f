#include "core/memory/digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "core/memory/data_walk.h"

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

}  // namespace

std::string MemoryDigest::hex() const {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

Result<MemoryDigest> digest(const GuestMemory& memory, unsigned threads, const std::atomic<bool>& cancel) {
  DataWalk walk(memory, kChunkPages);
  std::mutex mutex;
  MemoryDigest total;
  std::optional<Error> failure;

  const auto work = [&] {
    MemoryDigest sum;
    std::optional<Error> failed;
    while (true) {
      if (cancel.load()) {
        failed = Error{Code::cancelled, "the digest of guest memory was cancelled"};
        break;
      }
      auto piece = walk.take();
      if (!piece) {
        failed = piece.error();
        break;
      }
      if (!piece.value()) break;
      const RegionRun run = *piece.value();
      const Region& region = memory.region(run.region);
      for (uint64_t page = 0; page < run.pages; ++page) {
        const uint64_t offset = run.offset + page * kPageSize;
        add_page(sum, region.data() + offset, region.first_page() + offset / kPageSize);
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
