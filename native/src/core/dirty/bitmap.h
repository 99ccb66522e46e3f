// One bit a page of guest memory.
//
// Single operations are safe from several threads at once (relaxed atomics on the words); a reader that runs beside a
// writer sees each page before or after its change. What must be one consistent set is the caller's to order. That
// holds between processes as well, for a bitmap in shared memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/result.h"

namespace drover {

// Neighbouring pages: [first, first + count).
struct PageRun {
  uint64_t first;
  uint64_t count;
  bool operator==(const PageRun&) const = default;
};

class DirtyBitmap {
 public:
  // All pages clean.
  explicit DirtyBitmap(uint64_t pages);
  // In the shared memory of `fd`, which stays the caller's, as it is there. Errors: invalid_argument (too small for so
  // many pages, or not sealed against shrinking: then its other owner could make this process fail), system_call.
  static Result<std::shared_ptr<DirtyBitmap>> over(int fd, uint64_t pages);
  ~DirtyBitmap();
  DirtyBitmap(const DirtyBitmap&) = delete;
  DirtyBitmap& operator=(const DirtyBitmap&) = delete;

  // What a bitmap of so many pages takes in shared memory.
  static uint64_t bytes_for(uint64_t pages) { return (pages + 63) / 64 * sizeof(uint64_t); }

  uint64_t pages() const { return pages_; }
  uint64_t count() const;
  bool test(uint64_t page) const;

  void set(uint64_t page) { set_range(page, 1); }
  // What lies past the last page is ignored.
  void set_range(uint64_t first, uint64_t count);
  void set_all() { set_range(0, pages_); }
  void clear();
  // Adds every page of `other`; invalid_argument when it is of another size.
  Status merge(const DirtyBitmap& other);

  // The first run of set pages at or after `from`, cut to `limit` pages; none when there is none. Iterate with
  // `from = run.first + run.count`.
  std::optional<PageRun> next_run(uint64_t from, uint64_t limit = UINT64_MAX) const;

 private:
  DirtyBitmap(uint64_t pages, std::span<uint64_t> mapped) : pages_(pages), words_(mapped) {}
  // Without what lies past the last page: in shared memory somebody else may have set it.
  uint64_t word(uint64_t index) const;
  // The first page >= from whose bit differs from `skip`; pages_ when there is none. skip 0 finds set pages, ~0 clean
  // ones.
  uint64_t find(uint64_t from, uint64_t skip) const;

  const uint64_t pages_;
  std::vector<uint64_t> own_;  // empty where words_ is a mapping
  std::span<uint64_t> words_;
};

}  // namespace drover
