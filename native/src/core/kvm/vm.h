// One VM of KVM: memory slots, the interrupt controllers, the timer chip and the clock inside the kernel.
#pragma once

#include <cstdint>
#include <memory>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/kvm/host.h"
#include "core/machine/slots.h"

namespace drover::kvm {

using machine::Slot;
using machine::Slots;

// How written pages are found. It is fixed when the VM is made: KVM has either the log or the rings.
enum class Tracking { dirty_log, dirty_ring };

class Vm {
 public:
  // A ring of this many entries is 1 MiB, the most that KVM has.
  static constexpr uint32_t kRingEntries = 65536;

  // Makes the VM with its chips and slots, no processor yet. `ring_entries` is a power of two; a host may have fewer.
  // Errors: unsupported (this KVM lacks the tracking), system_call.
  static Result<std::shared_ptr<Vm>> create(std::shared_ptr<const Host> host, std::shared_ptr<const GuestMemory> memory,
                                            Tracking tracking, uint32_t ring_entries);

  int fd() const { return vm_.get(); }
  const Host& host() const { return *host_; }
  const Slots& slots() const { return slots_; }
  Tracking tracking() const { return tracking_; }
  // Entries in each processor's dirty ring; 0 with the log.
  uint32_t ring_entries() const { return ring_entries_; }

  // Has KVM note the writes to every slot, or no longer.
  Status log_writes(bool on);
  // The level of one of the 16 legacy interrupt lines. Any thread.
  Status set_line(unsigned line, bool high);

 private:
  Vm(std::shared_ptr<const Host> host, std::shared_ptr<const GuestMemory> memory, Tracking tracking, UniqueFd vm);
  Status add_chips();
  Status choose_tracking(uint32_t ring_entries);
  Status set_slot(size_t index, bool log);

  std::shared_ptr<const Host> host_;
  const Slots slots_;
  const Tracking tracking_;
  uint32_t ring_entries_ = 0;
  UniqueFd vm_;
};

}  // namespace drover::kvm
