#include "core/dirty/pagemap_scan_tracker.h"

#include <fcntl.h>
#include <sys/eventfd.h>

namespace drover {

namespace {

constexpr auto kRetryPause = std::chrono::milliseconds(5);

AddressRange range_of(const Mapping& mapping) { return {mapping.start, mapping.start + mapping.length}; }

}  // namespace

Result<std::shared_ptr<PagemapScanTracker>> PagemapScanTracker::create(Options options) {
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return errno_error("eventfd", "a dirty tracker");
  return std::shared_ptr<PagemapScanTracker>(new PagemapScanTracker(std::move(options), std::move(wake)));
}

PagemapScanTracker::PagemapScanTracker(Options options, UniqueFd wake)
    : wake_(std::move(wake)), options_(std::move(options)) {}

PagemapScanTracker::~PagemapScanTracker() = default;

Status PagemapScanTracker::start() {
  std::unique_lock lock(operation_);
  if (started_) return Error{Code::invalid_argument, "this dirty tracker was started before; make a new one"};
  started_ = true;
  Status started = success();
  if (!stopped_) started = do_start();
  if (stopped_) started = Error{Code::cancelled, "this dirty tracker was stopped"};
  if (!started) {
    failure_ = started.error();
    userfault_.reset();
  }
  leave(std::move(lock));
  return started;
}

Status PagemapScanTracker::do_start() {
  const Deadline deadline = std::chrono::steady_clock::now() + options_.timeout;
  if (Status opened = open_process(); !opened) return opened;
  auto userfault = take_userfault(options_.shim_socket, options_.pid, wake_.get(), deadline);
  if (!userfault) return userfault.error();
  userfault_.emplace(userfault.take());
  if (Status enabled = userfault_->enable_tracking(); !enabled) return enabled;

  auto maps = read_maps(process_.get());
  if (!maps) return maps.error();
  auto mappings = find_mappings(*options_.memory, maps.value());
  if (!mappings) return mappings.error();
  mappings_ = mappings.take();
  return arm(deadline);
}

Status PagemapScanTracker::open_process() {
  const std::string path = "/proc/" + std::to_string(options_.pid);
  process_ = UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!process_.valid() && errno == ENOENT) {
    return Error{Code::vmm_gone, "the VMM's process " + std::to_string(options_.pid) + " is gone", ENOENT, "open"};
  }
  if (!process_.valid()) return errno_error("open(" + path + ")", "the VMM's process");
  pagemap_ = UniqueFd(openat(process_.get(), "pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap_.valid()) return errno_error("open(" + path + "/pagemap)", "the VMM's page tables");
  scan_.emplace(pagemap_.get());
  return success();
}

Status PagemapScanTracker::arm(Deadline deadline) {
  // EBUSY: the descriptor of an agent that ended a moment ago is still being closed. EAGAIN: the VMM is changing its
  // mappings.
  const auto until_done = [&](auto call, int retry_errno) -> Status {
    while (true) {
      Status done = call();
      if (done || done.error().error_number != retry_errno) return done;
      if (stopped_) return Error{Code::cancelled, "this dirty tracker was stopped"};
      if (std::chrono::steady_clock::now() + kRetryPause >= deadline) {
        Error error = done.error();
        error.code = Code::timeout;
        if (retry_errno == EBUSY) error.message += "; another agent or debugger is tracking this VMM";
        return error;
      }
      // Timing out is the purpose; a cancel is seen above on the next turn.
      (void)wait_for(-1, 0, wake_.get(), std::chrono::steady_clock::now() + kRetryPause, "dirty tracking");
    }
  };
  // All registered first: what is cheap to fail comes before what costs the guest a fault for each page.
  for (const Mapping& mapping : mappings_) {
    const auto call = [&] { return userfault_->register_range(range_of(mapping)); };
    if (Status done = until_done(call, EBUSY); !done) return done;
  }
  for (const Mapping& mapping : mappings_) {
    const auto call = [&] { return userfault_->write_protect(range_of(mapping)); };
    if (Status done = until_done(call, EAGAIN); !done) return done;
  }
  return success();
}

Collected PagemapScanTracker::collect(DirtyBitmap& into) {
  std::unique_lock lock(operation_);
  Collected collected;
  if (!failure_ && !started_) failure_ = Error{Code::invalid_argument, "this dirty tracker was not started"};
  if (!failure_ && stopped_) failure_ = Error{Code::closed, "this dirty tracker was stopped"};
  if (!failure_ && into.pages() != options_.memory->pages()) {
    failure_ = Error{Code::invalid_argument, "the bitmap is not of the tracked memory's size"};
  }
  if (!failure_) {
    if (Status done = do_collect(into, collected.dirty_pages); !done) {
      failure_ = done.error();
      userfault_.reset();
    }
  }
  if (failure_) {
    into.set_all();
    collected.dirty_pages = into.pages();
    collected.error = failure_->message;
  }
  leave(std::move(lock));
  return collected;
}

Status PagemapScanTracker::do_collect(DirtyBitmap& into, uint64_t& dirty_pages) {
  for (const Mapping& mapping : mappings_) {
    Status scanned = scan_->collect(range_of(mapping), [&](AddressRange written) {
      const uint64_t pages = (written.end - written.start) / kPageSize;
      into.set_range(mapping.first_page + (written.start - mapping.start) / kPageSize, pages);
      dirty_pages += pages;
    });
    if (!scanned) return scanned;
  }
  // After the scan, because the page tables of a process that is gone, or of an area that was unmapped, read as
  // unwritten.
  auto maps = read_maps(process_.get());
  if (!maps) return maps.error();
  auto mappings = find_mappings(*options_.memory, maps.value());
  if (!mappings) return mappings.error();
  if (mappings.value() != mappings_) {
    return Error{Code::system_call, "the VMM changed its mappings of guest memory while they were tracked"};
  }
  return success();
}

void PagemapScanTracker::stop() {
  stopped_ = true;
  const uint64_t one = 1;
  // An eventfd that is full is readable, which is all that is wanted.
  (void)!write(wake_.get(), &one, sizeof one);
  release_if_idle();
}

void PagemapScanTracker::leave(std::unique_lock<std::mutex> lock) {
  lock.unlock();
  // stop() may have come while the lock was held here, and then left the release to this thread.
  if (stopped_) release_if_idle();
}

void PagemapScanTracker::release_if_idle() {
  std::unique_lock lock(operation_, std::try_to_lock);
  if (!lock) return;
  userfault_.reset();
  options_.memory.reset();
}

}  // namespace drover
