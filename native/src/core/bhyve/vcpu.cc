#include "core/bhyve/vcpu.h"

#include <string>

#include "core/bhyve/abi/requests.h"
#include "core/bhyve/call.h"

namespace drover::bhyve {

namespace {

constexpr const char* kMake = "a processor could not be made";
constexpr int32_t kGeneralProtection = 13;

}  // namespace

Result<std::unique_ptr<Vcpu>> Vcpu::create(std::shared_ptr<Vm> vm, int index) {
  std::unique_ptr<Vcpu> vcpu(new Vcpu(std::move(vm), index));
  abi::vm_activate_cpu activate{index};
  if (Status done = call(vcpu->vm_->device(), DROVER_BHYVE_NAMED(VM_ACTIVATE_CPU), &activate, kMake); !done) {
    return done.error();
  }
  abi::vm_vcpu_reset reset{index, 0};
  if (Status done = call(vcpu->vm_->device(), DROVER_BHYVE_NAMED(VM_RESET_CPU), &reset, kMake); !done) {
    return done.error();
  }
  return vcpu;
}

Result<const abi::vm_exit*> Vcpu::run() {
  next_.cpuid = index_;
  next_.exit_data = &exit_;
  Status ran =
      call(vm_->device(), DROVER_BHYVE_NAMED(VM_RUN), &next_, "processor " + std::to_string(index_) + " could not run");
  next_ = {};
  if (!ran) return ran.error();
  return &exit_;
}

void Vcpu::answer_port(uint32_t value) {
  next_.cmd = abi::VEC_FULFILL_INOUT;
  next_.u.inout = exit_.u.inout;
  if ((exit_.u.inout.flags & abi::INOUT_IN) != 0) next_.u.inout.eax = value;
}

void Vcpu::answer_memory(uint64_t value) {
  next_.cmd = abi::VEC_FULFILL_MMIO;
  next_.u.mmio = exit_.u.mmio;
  if (exit_.u.mmio.read != 0) next_.u.mmio.data = value;
}

Status Vcpu::refuse_instruction() {
  abi::vm_exception fault{index_, kGeneralProtection, 0, 1, 1};
  return call(vm_->device(), DROVER_BHYVE_NAMED(VM_INJECT_EXCEPTION), &fault, "a fault could not be injected");
}

Status Vcpu::hold() {
  abi::vm_activate_cpu request{index_};
  return call(vm_->device(), DROVER_BHYVE_NAMED(VM_SUSPEND_CPU), &request,
              "processor " + std::to_string(index_) + " could not be stopped");
}

Status Vcpu::release() {
  abi::vm_activate_cpu request{index_};
  return call(vm_->device(), DROVER_BHYVE_NAMED(VM_RESUME_CPU), &request,
              "processor " + std::to_string(index_) + " could not be started");
}

}  // namespace drover::bhyve
