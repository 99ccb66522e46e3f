// Guest memory: regions over descriptors, mapped shared and never populated by looking.
//
// Pages are 4 KiB and numbered through all regions in order, from 0. Reading a hole of a shared-memory file through the
// mapping would allocate it; ask an ExtentCursor where the data is before touching anything.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/unique_fd.h"

namespace drover {

inline constexpr uint64_t kPageSize = 4096;

// What a region is made from. Bytes; offset and size are whole pages; size may be 0.
struct RegionSpec {
  std::string id;  // 1-63 bytes
  int fd;          // of shared memory, open for reading and writing; duplicated, stays the caller's
  uint64_t offset;
  uint64_t size;
};

// One mapped stretch. Lives as long as its GuestMemory.
class Region {
 public:
  const std::string& id() const { return id_; }
  int fd() const { return fd_.get(); }
  // Where the region starts in its descriptor, bytes.
  uint64_t file_offset() const { return file_offset_; }
  uint64_t size() const { return size_; }
  uint64_t pages() const { return size_ / kPageSize; }
  uint64_t first_page() const { return first_page_; }
  // The mapping; null for a region of 0 bytes. Guest memory changes under the reader.
  uint8_t* data() const { return data_; }

 private:
  friend class GuestMemory;
  std::string id_;
  UniqueFd fd_;
  uint64_t file_offset_ = 0;
  uint64_t size_ = 0;
  uint64_t first_page_ = 0;
  uint8_t* data_ = nullptr;
};

// A page as region index and byte offset into the region.
struct PageLocation {
  size_t region;
  uint64_t offset;
  bool operator==(const PageLocation&) const = default;
};

class GuestMemory {
 public:
  // Maps every region. Errors: invalid_argument (misaligned, past the end of the descriptor, bad or repeated id),
  // permission (a read-only descriptor), system_call.
  static Result<std::shared_ptr<GuestMemory>> open(std::span<const RegionSpec> specs);
  ~GuestMemory();
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  size_t region_count() const { return regions_.size(); }
  // Prerequisite: index < region_count().
  const Region& region(size_t index) const { return regions_[index]; }
  uint64_t pages() const { return pages_; }

  // Prerequisite: page < pages(). Never names a region of 0 bytes.
  PageLocation locate(uint64_t page) const;
  uint64_t page_number(size_t region, uint64_t offset) const {
    return regions_[region].first_page_ + offset / kPageSize;
  }
  // Prerequisite: page < pages().
  uint8_t* page_data(uint64_t page) const;

  // Pages the descriptors hold, by SEEK_DATA.
  Result<uint64_t> data_pages() const;

 private:
  GuestMemory() = default;
  std::vector<Region> regions_;
  uint64_t pages_ = 0;
};

}  // namespace drover
