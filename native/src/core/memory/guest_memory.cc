#include "core/memory/guest_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>

#include "core/memory/extents.h"
#include "core/memory/release.h"

namespace drover {

namespace {

Error invalid_region(const RegionSpec& spec, const std::string& what) {
  return Error{Code::invalid_argument, "guest memory region \"" + spec.id + "\": " + what};
}

Status check(const RegionSpec& spec, const std::vector<Region>& before) {
  if (spec.id.empty() || spec.id.size() > 63) return invalid_region(spec, "its id must be 1 to 63 bytes long");
  for (const Region& region : before) {
    if (region.id() == spec.id) return invalid_region(spec, "the id is given twice");
  }
  if (spec.offset % kPageSize != 0 || spec.size % kPageSize != 0) {
    return invalid_region(spec, "offset and size must be whole pages of 4096 bytes");
  }
  struct stat status {};
  if (fstat(spec.fd, &status) != 0) return errno_error("fstat", "guest memory region \"" + spec.id + "\"");
  // A mapping past the end of the file would raise SIGBUS when it is touched.
  const uint64_t file_size = static_cast<uint64_t>(status.st_size);
  if (spec.offset > file_size || spec.size > file_size - spec.offset) {
    return invalid_region(spec, "it ends past the " + std::to_string(file_size) + " bytes of its descriptor");
  }
  return success();
}

}  // namespace

Result<std::shared_ptr<GuestMemory>> GuestMemory::open(std::span<const RegionSpec> specs) {
  std::shared_ptr<GuestMemory> memory(new GuestMemory(), release_quietly);
  for (const RegionSpec& spec : specs) {
    if (Status checked = check(spec, memory->regions_); !checked) return checked.error();
    Region region;
    region.id_ = spec.id;
    region.file_offset_ = spec.offset;
    region.size_ = spec.size;
    region.first_page_ = memory->pages_;
    region.fd_ = UniqueFd(fcntl(spec.fd, F_DUPFD_CLOEXEC, 0));
    if (!region.fd_.valid()) return errno_error("fcntl(F_DUPFD_CLOEXEC)", "guest memory region \"" + spec.id + "\"");
    if (spec.size > 0) {
      void* mapping =
          mmap(nullptr, spec.size, PROT_READ | PROT_WRITE, MAP_SHARED, region.fd(), static_cast<off_t>(spec.offset));
      if (mapping == MAP_FAILED) return errno_error("mmap", "guest memory region \"" + spec.id + "\"");
      region.data_ = static_cast<uint8_t*>(mapping);
    }
    memory->pages_ += region.pages();
    memory->regions_.push_back(std::move(region));
    const Region& added = memory->regions_.back();
    if (added.data_ == nullptr) continue;
    // A guest's memory has no place in this process's core file, nor in the page tables of programs it starts.
    for (const int advice : {MADV_DONTDUMP, MADV_DONTFORK}) {
      if (madvise(added.data_, added.size_, advice) != 0) {
        return errno_error("madvise", "guest memory region \"" + spec.id + "\"");
      }
    }
  }
  return memory;
}

GuestMemory::~GuestMemory() {
  for (const Region& region : regions_) {
    if (region.data_ != nullptr) munmap(region.data_, region.size_);
  }
}

PageLocation GuestMemory::locate(uint64_t page) const {
  // The last region that starts at or before the page; of several that start there only the last is not empty.
  const auto after =
      std::upper_bound(regions_.begin(), regions_.end(), page,
                       [](uint64_t wanted, const Region& region) { return wanted < region.first_page(); });
  const size_t index = static_cast<size_t>(after - regions_.begin()) - 1;
  return PageLocation{index, (page - regions_[index].first_page()) * kPageSize};
}

uint8_t* GuestMemory::page_data(uint64_t page) const {
  const PageLocation at = locate(page);
  return regions_[at.region].data_ + at.offset;
}

Result<uint64_t> GuestMemory::data_pages() const {
  uint64_t total = 0;
  for (const Region& region : regions_) {
    ExtentCursor cursor(region, 0, region.size());
    while (true) {
      auto extent = cursor.next();
      if (!extent) return extent.error();
      if (!extent.value()) break;
      total += extent.value()->length / kPageSize;
    }
  }
  return total;
}

}  // namespace drover
