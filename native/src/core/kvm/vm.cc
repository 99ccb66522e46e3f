#include "core/kvm/vm.h"

#include <algorithm>
#include <bit>

#include "core/kvm/ioctl.h"
#include "core/kvm/uapi.h"

namespace drover::kvm {

namespace {

constexpr const char* kVm = "the VM could not be made";
// Three pages in the hole below 4 GiB that KVM takes for itself on Intel processors without unrestricted guest mode.
constexpr unsigned long kTssAddress = 0xfffbd000;

}  // namespace

Vm::Vm(std::shared_ptr<const Host> host, std::shared_ptr<const GuestMemory> memory, Tracking tracking, UniqueFd vm)
    : host_(std::move(host)), slots_(std::move(memory)), tracking_(tracking), vm_(std::move(vm)) {}

Result<std::shared_ptr<Vm>> Vm::create(std::shared_ptr<const Host> host, std::shared_ptr<const GuestMemory> memory,
                                       Tracking tracking, uint32_t ring_entries) {
  auto made = query(host->fd(), DROVER_KVM_NAMED(KVM_CREATE_VM), 0, kVm);
  if (!made) return made.error();
  std::shared_ptr<Vm> vm(new Vm(std::move(host), std::move(memory), tracking, UniqueFd(made.value())));
  if (Status chosen = vm->choose_tracking(ring_entries); !chosen) return chosen.error();
  if (Status added = vm->add_chips(); !added) return added.error();
  for (size_t index = 0; index < vm->slots_.all().size(); ++index) {
    if (Status set = vm->set_slot(index, false); !set) return set.error();
  }
  return vm;
}

Status Vm::choose_tracking(uint32_t ring_entries) {
  kvm_enable_cap enable{};
  if (tracking_ == Tracking::dirty_log) {
    if (!host_->has_dirty_log()) {
      return Error{Code::unsupported,
                   "this host's KVM lacks KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 (Linux 5.7); use the tracker "
                   "kvm-dirty-ring or the driver qemu"};
    }
    enable.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2;
    enable.args[0] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;
  } else {
    const size_t bytes = std::min(host_->dirty_ring_bytes(), ring_entries * sizeof(kvm_dirty_gfn));
    if (bytes == 0) {
      return Error{Code::unsupported,
                   "this host's KVM lacks KVM_CAP_DIRTY_LOG_RING (Linux 5.11); use the tracker kvm-dirty-log"};
    }
    enable.cap =
        host_->extension(KVM_CAP_DIRTY_LOG_RING_ACQ_REL) != 0 ? KVM_CAP_DIRTY_LOG_RING_ACQ_REL : KVM_CAP_DIRTY_LOG_RING;
    enable.args[0] = std::bit_floor(bytes);
    ring_entries_ = static_cast<uint32_t>(enable.args[0] / sizeof(kvm_dirty_gfn));
  }
  return call(fd(), DROVER_KVM_NAMED(KVM_ENABLE_CAP), &enable, "dirty pages cannot be tracked");
}

Status Vm::add_chips() {
  if (auto set = query(fd(), DROVER_KVM_NAMED(KVM_SET_TSS_ADDR), kTssAddress, kVm); !set) return set.error();
  if (auto made = query(fd(), DROVER_KVM_NAMED(KVM_CREATE_IRQCHIP), 0, kVm); !made) return made.error();
  kvm_pit_config pit{};
  pit.flags = KVM_PIT_SPEAKER_DUMMY;
  return call(fd(), DROVER_KVM_NAMED(KVM_CREATE_PIT2), &pit, kVm);
}

Status Vm::set_slot(size_t index, bool log) {
  const Slot& slot = slots_.all()[index];
  kvm_userspace_memory_region region{};
  region.slot = static_cast<uint32_t>(index);
  region.flags = log ? KVM_MEM_LOG_DIRTY_PAGES : 0;
  region.guest_phys_addr = slot.guest_address;
  region.memory_size = slot.pages * kPageSize;
  region.userspace_addr = reinterpret_cast<uintptr_t>(slot.data);
  return call(fd(), DROVER_KVM_NAMED(KVM_SET_USER_MEMORY_REGION), &region, "guest memory could not be set");
}

Status Vm::log_writes(bool on) {
  for (size_t index = 0; index < slots_.all().size(); ++index) {
    if (Status set = set_slot(index, on); !set) return set;
  }
  return success();
}

Status Vm::set_line(unsigned line, bool high) {
  kvm_irq_level level{};
  level.irq = line;
  level.level = high ? 1 : 0;
  return call(fd(), DROVER_KVM_NAMED(KVM_IRQ_LINE), &level, "an interrupt line could not be set");
}

}  // namespace drover::kvm
