// Written pages from KVM's dirty rings, one a processor.
//
// A processor writes the number of each page that it dirties into its ring, and leaves KVM_RUN before the ring is full;
// then its thread empties the rings itself before it goes back. A collector thread empties them all the time, so that
// this is rare and little is left for the collection that counts, in the switchover.
//
// Where KVM emulates instructions, each store is an entry of its own, and KVM may run past the room that it keeps
// between "full" and the ring's end. Entries are then lost: a ring that is found full to its last entry is such a case,
// and from then on everything is dirty (R5). On those hosts the dirty log is the better choice.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/dirty/dirty_tracker.h"
#include "core/kvm/vm.h"

struct kvm_dirty_gfn;

namespace drover {

struct DirtyRingSettings {
  uint32_t entries = kvm::Vm::kRingEntries;  // of each processor's ring, a power of two
  // How often the collector empties them. At 10 GB/s a processor fills a ring of 65,536 entries in 26 ms.
  std::chrono::milliseconds period{10};
};

class KvmDirtyRing final : public DirtyTracker {
 public:
  // `vm` was made for Tracking::dirty_ring; `rings` are its processors', Vm::ring_entries() long, and outlive this.
  KvmDirtyRing(std::shared_ptr<kvm::Vm> vm, std::vector<kvm_dirty_gfn*> rings, std::chrono::milliseconds period);
  ~KvmDirtyRing() override;

  Status start() override;
  Collected collect(DirtyBitmap& into) override;
  void stop() override;

  // A processor left KVM_RUN because its ring is full; afterwards it may go back.
  void on_full();
  // How often that was.
  uint64_t full_exits();
  // Whether entries may have been lost; see above.
  bool overflowed();

 private:
  struct Ring {
    kvm_dirty_gfn* entries;
    uint32_t next = 0;  // to be looked at
  };
  // With the lock held: moves what all rings hold into found_ and gives the entries back.
  Status harvest();
  Status harvest_ring(Ring& ring, uint64_t& taken);
  Error overflow();
  // After a failure: nothing more is noted, and the rings are emptied unread, so that the guest goes on.
  void abandon();
  void main();

  const std::shared_ptr<kvm::Vm> vm_;
  const std::chrono::milliseconds period_;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::vector<Ring> rings_;
  DirtyBitmap found_;
  bool started_ = false;
  bool everything_ = false;  // nothing was collected since start
  std::optional<Error> failure_;
  bool overflowed_ = false;  // for good: the kernel's place in a ring is no longer known
  uint64_t full_exits_ = 0;
  std::thread collector_;
};

}  // namespace drover
