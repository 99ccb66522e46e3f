// What every tracker of written pages does, and what one collection found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/dirty/bitmap.h"

namespace drover {

struct Collected {
  uint64_t dirty_pages = 0;          // pages that this collection reported
  std::optional<std::string> error;  // set when the set is not known: then every page was reported
  bool complete() const { return !error; }
};

// A tracker of the hypervisor's own, inside the process of the VM. Calls may come from any thread, at any time.
class DirtyTracker {
 public:
  virtual ~DirtyTracker() = default;

  // Every write that begins after this returned is seen. No memory is walked here: the first collection reports every
  // page, and arms it. Once until stop. Errors: invalid_argument (started already), system_call.
  virtual Status start() = 0;

  // Adds the pages written since the last collection to `into` and arms them again. Never fails: when the set is not
  // known (the tracker is not started, a call failed, `into` is of another size), all pages are added, and after a
  // failure so it stays until stop (R5).
  virtual Collected collect(DirtyBitmap& into) = 0;

  // The guest runs at full speed again. Any time, twice. A later start begins from everything.
  virtual void stop() = 0;
};

}  // namespace drover
