#include "core/dirty/kvm_dirty_ring.h"

#include <linux/kvm.h>

#include "core/kvm/ioctl.h"

namespace drover {

KvmDirtyRing::KvmDirtyRing(std::shared_ptr<kvm::Vm> vm, std::vector<kvm_dirty_gfn*> rings,
                           std::chrono::milliseconds period)
    : vm_(std::move(vm)), period_(period), found_(vm_->slots().memory().pages()) {
  for (kvm_dirty_gfn* entries : rings) rings_.push_back({entries});
}

KvmDirtyRing::~KvmDirtyRing() { stop(); }

Status KvmDirtyRing::start() {
  std::lock_guard lock(mutex_);
  if (started_) return Error{Code::invalid_argument, "this tracker was started already"};
  if (overflowed_) return Error{Code::limit, "this machine's dirty rings overflowed and cannot be used any more"};
  started_ = everything_ = true;
  if (Status logging = vm_->log_writes(true); !logging) {
    failure_ = logging.error();
    return logging;
  }
  collector_ = std::thread([this] { main(); });
  return success();
}

Collected KvmDirtyRing::collect(DirtyBitmap& into) {
  std::lock_guard lock(mutex_);
  std::optional<Error> failure = failure_;
  if (!started_) {
    failure = Error{Code::closed, "this tracker is not started"};
  } else if (!failure) {
    if (Status harvested = harvest(); !harvested) failure = failure_ = harvested.error();
  }
  if (!failure) {
    if (everything_) found_.set_all();
    const uint64_t pages = found_.count();
    if (Status merged = into.merge(found_); merged) {
      everything_ = false;
      found_.clear();
      return Collected{pages, std::nullopt};
    } else {
      failure = merged.error();
    }
  }
  into.set_all();
  return Collected{into.pages(), failure->message};
}

Status KvmDirtyRing::harvest_ring(Ring& ring, uint64_t& taken) {
  const auto& slots = vm_->slots().all();
  for (uint32_t looked = 0; looked < vm_->ring_entries(); ++looked) {
    kvm_dirty_gfn& entry = ring.entries[ring.next];
    // The kernel sets the flag after the rest, and takes the entry back after it saw the other flag.
    if ((__atomic_load_n(&entry.flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_MASK) != KVM_DIRTY_GFN_F_DIRTY) {
      return success();
    }
    if (entry.slot >= slots.size() || entry.offset >= slots[entry.slot].pages) {
      return Error{Code::system_call, "a dirty ring names a page that this machine does not have"};
    }
    found_.set(slots[entry.slot].first_page + entry.offset);
    __atomic_store_n(&entry.flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
    ring.next = (ring.next + 1) % vm_->ring_entries();
    ++taken;
  }
  return overflow();
}

Error KvmDirtyRing::overflow() {
  overflowed_ = true;
  return Error{Code::limit,
               "a dirty ring overflowed, as it can where KVM emulates the guest's instructions; use the tracker "
               "kvm-dirty-log on this host"};
}

Status KvmDirtyRing::harvest() {
  uint64_t taken = 0;
  Status harvested = success();
  for (Ring& ring : rings_) {
    if (Status done = harvest_ring(ring, taken); !done) harvested = done;
  }
  if (taken == 0) return harvested;
  auto reset = kvm::query(vm_->fd(), DROVER_KVM_NAMED(KVM_RESET_DIRTY_RINGS), 0, "a dirty ring cannot be emptied");
  if (harvested && !reset) harvested = reset.error();
  // Entries that the kernel does not know as taken: it has written over them in between.
  if (harvested && static_cast<uint64_t>(reset.value()) < taken) harvested = overflow();
  if (!harvested) abandon();
  return harvested;
}

void KvmDirtyRing::abandon() {
  (void)vm_->log_writes(false).ok();
  for (const Ring& ring : rings_) {
    for (uint32_t index = 0; index < vm_->ring_entries(); ++index) {
      uint32_t& flags = ring.entries[index].flags;
      if ((__atomic_load_n(&flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_MASK) == 0) continue;
      __atomic_store_n(&flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
    }
  }
  (void)::ioctl(vm_->fd(), KVM_RESET_DIRTY_RINGS, 0);
}

void KvmDirtyRing::on_full() {
  std::lock_guard lock(mutex_);
  ++full_exits_;
  if (failure_) {
    abandon();
    return;
  }
  if (Status harvested = harvest(); !harvested) failure_ = harvested.error();
}

uint64_t KvmDirtyRing::full_exits() {
  std::lock_guard lock(mutex_);
  return full_exits_;
}

bool KvmDirtyRing::overflowed() {
  std::lock_guard lock(mutex_);
  return overflowed_;
}

void KvmDirtyRing::main() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, period_, [&] { return !started_; })) {
    if (failure_) continue;
    if (Status harvested = harvest(); !harvested) failure_ = harvested.error();
  }
}

void KvmDirtyRing::stop() {
  std::thread collector;
  {
    std::lock_guard lock(mutex_);
    if (!started_) return;
    started_ = false;
    collector = std::move(collector_);
    changed_.notify_all();
  }
  if (collector.joinable()) collector.join();
  std::lock_guard lock(mutex_);
  // Where this fails the guest only stays slower; the next start says why.
  (void)vm_->log_writes(false).ok();
  // What is still in the rings belongs to nobody.
  if (!overflowed_) (void)harvest().ok();
  found_.clear();
  failure_.reset();
}

}  // namespace drover
