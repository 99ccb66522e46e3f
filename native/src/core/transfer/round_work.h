// The work of one round, shared by the channels: whoever is free takes the next piece, so a slow channel takes less.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/dirty/bitmap.h"
#include "core/memory/data_walk.h"
#include "core/memory/guest_memory.h"

namespace drover {

// Hands out the pages of a bitmap, in runs of page numbers.
class DirtyPass {
 public:
  // Pages in one piece of work at most: small, so that the few pages of a last round are shared too.
  static constexpr uint64_t kPiecePages = 128;

  // `pages` must outlive the pass; pages set behind its position while it runs are left out.
  explicit DirtyPass(const DirtyBitmap& pages) : pages_(pages) {}
  // Replaces what is in `into` by the next runs, together kPiecePages at most; empty at the end.
  void take(std::vector<PageRun>& into);

 private:
  const DirtyBitmap& pages_;
  std::mutex mutex_;
  PageRun rest_{0, 0};  // found and not handed out; without pages, where to look on
};

// The parts of [page, page + count) that lie in one region each, in order.
class RegionRuns {
 public:
  RegionRuns(const GuestMemory& memory, PageRun run) : memory_(memory), left_(run) {}
  std::optional<RegionRun> next();

 private:
  const GuestMemory& memory_;
  PageRun left_;
};

}  // namespace drover
