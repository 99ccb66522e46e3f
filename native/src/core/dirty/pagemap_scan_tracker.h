// Dirty tracking of a VMM from outside its process.
//
//   created --start--> tracking --collect*--> tracking --stop--> stopped
//      |                  |  any failure
//      +--failed start--> failed (for good: every page is dirty from then on, R5)
//
// The VMM's own userfaultfd (from the shim) write-protects every mapping of guest memory asynchronously: the kernel
// lifts the protection at the first write and remembers it. PAGEMAP_SCAN reads those marks and sets the protection
// again in one pass. What it does not see: a device that has a page pinned across a re-arm, other processes, pwrite to
// the file.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/dirty/bitmap.h"
#include "core/dirty/dirty_tracker.h"
#include "core/dirty/pagemap_scan.h"
#include "core/dirty/process_mappings.h"
#include "core/dirty/shim_client.h"
#include "core/dirty/userfault.h"
#include "core/memory/guest_memory.h"

namespace drover {

// Calls may come from any thread; start and collect wait for each other.
class PagemapScanTracker {
 public:
  struct Options {
    std::shared_ptr<const GuestMemory> memory;
    pid_t pid;
    std::string shim_socket;
    std::chrono::milliseconds timeout;  // for start as a whole
  };
  // Errors: system_call.
  static Result<std::shared_ptr<PagemapScanTracker>> create(Options options);
  ~PagemapScanTracker();

  // Every write that begins after this returned is seen. Once; invalid_argument the second time. Errors: those of
  // take_userfault and find_mappings, vmm_gone, unsupported, timeout (another descriptor keeps the memory), cancelled.
  // After an error nothing is registered.
  Status start();

  // Adds the pages written since start or the last collection to `into` and arms them again. Never fails: when the set
  // is not known, all pages are added, and so it stays for every later call.
  Collected collect(DirtyBitmap& into);

  // Unregisters; a start under way ends as cancelled, a collection under way ends first. Any time, any thread, twice.
  void stop();

 private:
  explicit PagemapScanTracker(Options options, UniqueFd wake);
  Status do_start();
  Status open_process();
  Status arm(Deadline deadline);
  Status do_collect(DirtyBitmap& into, uint64_t& dirty_pages);
  void leave(std::unique_lock<std::mutex> lock);
  // Closes the userfaultfd, unless an operation is under way: then that does it when it ends. Never waits.
  void release_if_idle();

  const UniqueFd wake_;  // eventfd, readable once stop was called
  std::atomic<bool> stopped_{false};

  std::mutex operation_;  // guards all below
  Options options_;       // its memory is let go of by stop()
  bool started_ = false;
  std::optional<Error> failure_;
  UniqueFd process_;  // /proc/PID, so that a reused pid is never taken for the VMM
  UniqueFd pagemap_;
  std::optional<Userfault> userfault_;
  std::optional<PagemapScan> scan_;
  std::vector<Mapping> mappings_;
};

}  // namespace drover
