// One processor: its descriptor and the page that it shares with the kernel. Belongs to one thread at a time.
#pragma once

#include <linux/kvm.h>

#include <memory>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/kvm/vm.h"

namespace drover::kvm {

class Vcpu {
 public:
  static Result<std::unique_ptr<Vcpu>> create(std::shared_ptr<Vm> vm, unsigned index);
  ~Vcpu();
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  int fd() const { return fd_.get(); }
  unsigned index() const { return index_; }
  const Vm& vm() const { return *vm_; }
  // Valid after KVM_RUN returned, on the thread that called it.
  kvm_run& run() const { return *run_; }
  // This processor's dirty ring, Vm::ring_entries() long; null with the log. Shared with the kernel.
  kvm_dirty_gfn* ring() const { return ring_; }

  // From any thread: KVM_RUN returns at once with EINTR, having finished the last exit, as long as this is set.
  void set_immediate_exit(bool on);

 private:
  Vcpu(std::shared_ptr<Vm> vm, unsigned index, UniqueFd fd) : vm_(std::move(vm)), index_(index), fd_(std::move(fd)) {}

  std::shared_ptr<Vm> vm_;
  const unsigned index_;
  UniqueFd fd_;
  kvm_run* run_ = nullptr;
  kvm_dirty_gfn* ring_ = nullptr;
};

}  // namespace drover::kvm
