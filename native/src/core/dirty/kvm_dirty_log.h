// Written pages from KVM's dirty bitmaps.
//
// With KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 reading the log and arming pages again are two calls, and with INITIALLY_SET
// a slot begins with every page marked and none protected: starting costs a bitmap, not a walk over the memory. A page
// is read by whoever collects after it was armed again, so a write in between is either in what he reads or marked.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/dirty/dirty_tracker.h"
#include "core/kvm/vm.h"

namespace drover {

class KvmDirtyLog final : public DirtyTracker {
 public:
  // `vm` was made for Tracking::dirty_log.
  explicit KvmDirtyLog(std::shared_ptr<kvm::Vm> vm);
  ~KvmDirtyLog() override;

  Status start() override;
  Collected collect(DirtyBitmap& into) override;
  void stop() override;

 private:
  Status collect_slot(uint32_t number, DirtyBitmap& into, uint64_t& dirty_pages);
  // Arms what words_ says of pages [first, first + pages).
  Status clear(uint32_t slot, uint64_t first, uint64_t pages);

  const std::shared_ptr<kvm::Vm> vm_;
  std::mutex mutex_;  // guards all below
  bool started_ = false;
  std::optional<Error> failure_;
  std::vector<uint64_t> words_;  // the bitmap of the largest slot
};

}  // namespace drover
