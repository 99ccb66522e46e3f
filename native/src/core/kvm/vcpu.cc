#include "core/kvm/vcpu.h"

#include <sys/mman.h>

#include "core/kvm/ioctl.h"
#include "core/kvm/uapi.h"

namespace drover::kvm {

namespace {

Result<void*> map(int fd, size_t bytes, off_t offset, const char* what) {
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
  if (data == MAP_FAILED) return errno_error("mmap", what);
  return data;
}

}  // namespace

Result<std::unique_ptr<Vcpu>> Vcpu::create(std::shared_ptr<Vm> vm, unsigned index) {
  auto made = query(vm->fd(), DROVER_KVM_NAMED(KVM_CREATE_VCPU), index, "a processor could not be made");
  if (!made) return made.error();
  const uint32_t ring_entries = vm->ring_entries();
  const size_t run_bytes = vm->host().run_bytes();
  std::unique_ptr<Vcpu> vcpu(new Vcpu(std::move(vm), index, UniqueFd(made.value())));
  auto run = map(vcpu->fd(), run_bytes, 0, "a processor's state could not be mapped");
  if (!run) return run.error();
  vcpu->run_ = static_cast<kvm_run*>(run.value());
  if (ring_entries != 0) {
    auto ring = map(vcpu->fd(), ring_entries * sizeof(kvm_dirty_gfn), KVM_DIRTY_LOG_PAGE_OFFSET * kPageSize,
                    "a dirty ring could not be mapped");
    if (!ring) return ring.error();
    vcpu->ring_ = static_cast<kvm_dirty_gfn*>(ring.value());
  }
  return vcpu;
}

Vcpu::~Vcpu() {
  if (ring_ != nullptr) ::munmap(ring_, vm_->ring_entries() * sizeof(kvm_dirty_gfn));
  if (run_ != nullptr) ::munmap(run_, vm_->host().run_bytes());
}

void Vcpu::set_immediate_exit(bool on) { __atomic_store_n(&run_->immediate_exit, on ? 1 : 0, __ATOMIC_RELAXED); }

}  // namespace drover::kvm
