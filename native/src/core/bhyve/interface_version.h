// Which of bhyve's kernel interfaces this host has.
//
// illumos calls the interface private and counts its changes by one number, which says nothing about their size. So
// only the numbers whose interface is known here are used; any other is refused before a VM is made (R7).
#pragma once

#include "core/base/result.h"
#include "core/bhyve/device.h"

namespace drover::bhyve {

class InterfaceVersion {
 public:
  static constexpr int kOldest = 12;
  static constexpr int kNewest = 18;

  // Asks /dev/vmmctl. Errors: unsupported (an unknown number; or no such call: a bhyve that is not illumos's).
  static Result<InterfaceVersion> ask(Device& control);

  int number() const { return number_; }
  // Before that VM_DATA_WRITE is EPERM unless the host's administrator allows it.
  bool writes_state_by_default() const { return number_ >= 13; }
  // Dirty bits can be set again, and tracking switched on after the VM was made.
  bool has_npt_operation() const { return number_ >= 17; }

 private:
  explicit InterfaceVersion(int number) : number_(number) {}
  int number_;
};

}  // namespace drover::bhyve
