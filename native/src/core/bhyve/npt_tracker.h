// Written pages from bhyve's nested page tables (tracker bhyve-npt).
//
// The kernel reads and clears dirty bits in one step, so what was read is gone from the tables. Two rules keep an
// attempt that fails from losing pages (R5). Interface version 17 and later can set bits again: stop() puts back all
// that this tracker took, so the tables tell every page written since the VM was made, and the first collection of the
// next attempt is just those: pages that were never written are zero on both hosts. Where the bits cannot be put back,
// once that has failed, or where the VM was made without tracking, the first collection is every page.
//
// Each call makes every processor leave the guest for a moment, however few pages it asks about. So memory is scanned
// in the largest pieces that a call allows, 1 GiB, and the hole below 4 GiB not at all.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/bhyve/vm.h"
#include "core/dirty/dirty_tracker.h"

namespace drover::bhyve {

class NptTracker final : public DirtyTracker {
 public:
  explicit NptTracker(std::shared_ptr<Vm> vm);
  ~NptTracker() override;

  // Errors besides DirtyTracker's: unsupported (the processor has no dirty bits in nested page tables, or the VM was
  // made without tracking on a host that cannot switch it on later).
  Status start() override;
  // The first collection is as above.
  Collected collect(DirtyBitmap& into) override;
  // After a migration that succeeded there is no need to: the VM ends.
  void stop() override;

 private:
  // Guest memory that one call looks at.
  struct Piece {
    uint64_t guest_address;  // bytes
    uint64_t pages;
    uint64_t first_page;
  };
  Status switch_on();
  // Reads a piece's dirty bits into words_ and clears them.
  Status take(const Piece& piece);
  void put_back();
  Status put_back(const Piece& piece);
  Status operate(uint32_t operation, const Piece* piece);

  const std::shared_ptr<Vm> vm_;
  std::vector<Piece> pieces_;
  std::mutex mutex_;  // guards all below
  bool started_ = false;
  bool switched_on_ = false;  // by start(), so stop() switches it off
  bool everything_next_ = false;
  std::optional<Error> failure_;
  DirtyBitmap taken_;            // out of the tables since start
  std::vector<uint64_t> words_;  // the bitmap of the largest piece
};

}  // namespace drover::bhyve
