// The kernel interfaces of write tracking that the headers of Debian 12 lack.
#pragma once

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>

// Linux 6.4 and 6.7, include/uapi/linux/userfaultfd.h.
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

namespace drover::uapi {

static_assert(sizeof(uffdio_api) == 24);
static_assert(sizeof(uffdio_register) == 32);
static_assert(sizeof(uffdio_writeprotect) == 24);

// All that tracking needs: writes to shared memory resolved by the kernel without a message, unpopulated pages
// included.
inline constexpr uint64_t kTrackingFeatures = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
                                              UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC;

// Linux 6.7, include/uapi/linux/fs.h: struct page_region, struct pm_scan_arg, PAGEMAP_SCAN and its flags.
struct PageRegion {
  uint64_t start;  // virtual addresses, end exclusive
  uint64_t end;
  uint64_t categories;
};
static_assert(sizeof(PageRegion) == 24);

struct PagemapScanArgument {
  uint64_t size;
  uint64_t flags;
  uint64_t start;
  uint64_t end;
  uint64_t walk_end;  // out: where the walk stopped
  uint64_t vec;
  uint64_t vec_len;
  uint64_t max_pages;
  uint64_t category_inverted;
  uint64_t category_mask;
  uint64_t category_anyof_mask;
  uint64_t return_mask;
};
static_assert(sizeof(PagemapScanArgument) == 96);
static_assert(offsetof(PagemapScanArgument, walk_end) == 32);
static_assert(offsetof(PagemapScanArgument, return_mask) == 88);

inline constexpr unsigned long kPagemapScan = _IOWR('f', 16, PagemapScanArgument);
inline constexpr uint64_t kScanWriteProtectMatching = 1 << 0;  // PM_SCAN_WP_MATCHING
inline constexpr uint64_t kScanCheckWriteAsync = 1 << 1;       // PM_SCAN_CHECK_WPASYNC
inline constexpr uint64_t kPageIsWritten = 1 << 1;             // PAGE_IS_WRITTEN

}  // namespace drover::uapi
