// What this kernel lets a process track.
#pragma once

#include <string>

namespace drover {

// `detail` is empty when `ok`, otherwise a sentence with what to do.
struct ProbeAnswer {
  bool ok = false;
  std::string detail;
};

struct TrackingProbe {
  ProbeAnswer userfaultfd;
  ProbeAnswer async_write_protect;
  ProbeAnswer pagemap_scan;
};

// Tracks four pages of this process's own and checks that exactly the written ones are reported, once. Takes well under
// 1 ms.
TrackingProbe probe_tracking();

}  // namespace drover
