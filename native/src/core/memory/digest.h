// A digest of all guest memory that several threads can share the work of.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/memory/guest_memory.h"

namespace drover {

// The sum, in two 64-bit halves that wrap, of XXH3_128bits_withSeed(page, 4096, seed = page number) over all pages that
// are not all zero. A sum has no order, so the result does not depend on the number of threads; the seed binds each
// page to its place; a hole, a zero page and a region of 0 bytes add nothing. It finds mistakes; it does not withstand
// an attacker.
struct MemoryDigest {
  uint64_t low = 0;
  uint64_t high = 0;
  uint64_t data_pages = 0;  // pages that are not all zero
  // 32 hex digits, high half first.
  std::string hex() const;
};

// Runs on `threads` (1-64) own threads, the calling one among them. No hole is touched. Memory that is written
// meanwhile gives a digest of nothing in particular. `cancel` is looked at every 2 MiB; error cancelled.
Result<MemoryDigest> digest(const GuestMemory& memory, unsigned threads, const std::atomic<bool>& cancel);

}  // namespace drover
