#include "core/probe/tracking_probe.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <vector>

#include "core/dirty/pagemap_scan.h"
#include "core/dirty/userfault.h"
#include "core/memory/guest_memory.h"
#include "core/memory/memfd.h"

namespace drover {

namespace {

const char* const kNotTried = "not tried, because what it builds on is missing";

struct Mapped {
  uint8_t* data = nullptr;
  size_t size = 0;
  ~Mapped() {
    if (data != nullptr) munmap(data, size);
  }
};

ProbeAnswer no(const Error& error) { return {false, error.message}; }
ProbeAnswer yes() { return {true, ""}; }

Status map_pages(Mapped& mapped, uint64_t pages) {
  auto memory = create_memfd("drover-probe", pages * kPageSize);
  if (!memory) return memory.error();
  void* data = mmap(nullptr, pages * kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, memory.value().get(), 0);
  if (data == MAP_FAILED) return errno_error("mmap", "four pages to try tracking on");
  mapped.data = static_cast<uint8_t*>(data);
  mapped.size = pages * kPageSize;
  return success();
}

Result<std::vector<uint64_t>> written_pages(PagemapScan& scan, AddressRange range) {
  std::vector<uint64_t> pages;
  Status done = scan.collect(range, [&](AddressRange written) {
    for (uint64_t at = written.start; at < written.end; at += kPageSize)
      pages.push_back((at - range.start) / kPageSize);
  });
  if (!done) return done.error();
  return pages;
}

ProbeAnswer try_scan(uint8_t* data, AddressRange range) {
  UniqueFd pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap.valid()) return no(errno_error("open(/proc/self/pagemap)", "PAGEMAP_SCAN"));
  PagemapScan scan(pagemap.get());
  // One page that has content and one that was never touched; the other two stay as they are.
  for (const uint64_t page : {1, 2}) const_cast<volatile uint8_t*>(data)[page * kPageSize] = 2;
  auto first = written_pages(scan, range);
  if (!first) return no(first.error());
  auto second = written_pages(scan, range);
  if (!second) return no(second.error());
  if (first.value() != std::vector<uint64_t>{1, 2} || !second.value().empty()) {
    return {false, "PAGEMAP_SCAN does not report exactly the written pages on this kernel: use a newer Linux"};
  }
  return yes();
}

}  // namespace

TrackingProbe probe_tracking() {
  TrackingProbe probe;
  probe.async_write_protect.detail = probe.pagemap_scan.detail = kNotTried;
  auto userfault = Userfault::of_this_process();
  if (!userfault) {
    probe.userfaultfd = no(userfault.error());
    return probe;
  }
  probe.userfaultfd = yes();

  Mapped mapped;
  Status ready = map_pages(mapped, 4);
  if (ready) {
    for (const uint64_t page : {0, 1}) const_cast<volatile uint8_t*>(mapped.data)[page * kPageSize] = 1;
  }
  const uint64_t start = reinterpret_cast<uintptr_t>(mapped.data);
  const AddressRange range{start, start + mapped.size};
  if (ready) ready = userfault.value().enable_tracking();
  if (ready) ready = userfault.value().register_range(range);
  if (ready) ready = userfault.value().write_protect(range);
  if (!ready) {
    probe.async_write_protect = no(ready.error());
    return probe;
  }
  probe.async_write_protect = yes();
  probe.pagemap_scan = try_scan(mapped.data, range);
  return probe;
}

}  // namespace drover
