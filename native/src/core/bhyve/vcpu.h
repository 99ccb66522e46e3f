// One processor: into the guest and out again. Belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>

#include "core/base/result.h"
#include "core/bhyve/abi/cpu.h"
#include "core/bhyve/vm.h"

namespace drover::bhyve {

class Vcpu {
 public:
  // Makes processor `index` of a VM ready to run, as at power on.
  static Result<std::unique_ptr<Vcpu>> create(std::shared_ptr<Vm> vm, int index);

  int index() const { return index_; }
  Vm& vm() const { return *vm_; }

  // Runs the guest, and hands in the answer given since the last exit. The exit is valid until the next call. BOGUS
  // means nothing, DEBUG that the processor is held. Errors: system_call.
  Result<const abi::vm_exit*> run();

  // What the guest reads, or that its write was taken: the answer to an exit of INOUT or MMIO. Without it the same exit
  // comes again.
  void answer_port(uint32_t value);
  void answer_memory(uint64_t value);
  // A general protection fault instead of the instruction of the last exit.
  Status refuse_instruction();

  // From any thread, in or out of the guest: run() gives an exit of DEBUG as soon as no instruction is half emulated,
  // and again each time until the processor is released. Prerequisite of release: it is held.
  Status hold();
  Status release();

 private:
  Vcpu(std::shared_ptr<Vm> vm, int index) : vm_(std::move(vm)), index_(index) {}

  const std::shared_ptr<Vm> vm_;
  const int index_;
  abi::vm_entry next_{};
  abi::vm_exit exit_{};
};

}  // namespace drover::bhyve
