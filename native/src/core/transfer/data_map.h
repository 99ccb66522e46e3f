// Which pages are known to hold data, so that none of them is asked about again.
#pragma once

#include <cstdint>

#include "core/dirty/bitmap.h"
#include "core/memory/guest_memory.h"

namespace drover {

// A hole is found by SEEK_DATA at the page in question, which costs a look-up; SEEK_HOLE, which walks all data behind
// it, is never used. A page that was data stays data until somebody punches it out; then reading it costs a page and
// nothing else.
class DataMap {
 public:
  explicit DataMap(const GuestMemory& memory) : memory_(memory), known_(memory.pages()) {}

  void note(size_t region, uint64_t offset, uint64_t pages) {
    known_.set_range(memory_.page_number(region, offset), pages);
  }

  // Bytes from `offset` to the next page with data in [offset, end); `end - offset` when there is none, 0 when the page
  // at `offset` has data. Whole pages.
  Result<uint64_t> hole_bytes(size_t region, uint64_t offset, uint64_t end);

 private:
  const GuestMemory& memory_;
  DirtyBitmap known_;
};

}  // namespace drover
