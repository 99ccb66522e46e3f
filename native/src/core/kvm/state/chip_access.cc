#include "core/kvm/state/chip_access.h"

#include <time.h>

#include <algorithm>

#include "core/kvm/ioctl.h"
#include "core/kvm/uapi.h"

namespace drover::kvm {

namespace {

constexpr const char* kGet = "the interrupt controllers cannot be read";
constexpr const char* kSet = "the interrupt controllers cannot be set";
constexpr int64_t kNanosPerSecond = 1000000000;
// A day: far more than any count lasts.
constexpr int64_t kElapsedMax = 86400 * kNanosPerSecond;

// The clock of count_load_time.
int64_t monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * kNanosPerSecond + now.tv_nsec;
}

}  // namespace

Result<PicState> get_pic(const Vm& vm, unsigned index) {
  kvm_irqchip chip{};
  chip.chip_id = index == 0 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
  if (Status got = call(vm.fd(), DROVER_KVM_NAMED(KVM_GET_IRQCHIP), &chip, kGet); !got) return got.error();
  return PicState{chip.chip.pic};
}

Status set_pic(const Vm& vm, unsigned index, const PicState& state) {
  kvm_irqchip chip{};
  chip.chip_id = index == 0 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
  chip.chip.pic = state.chip;
  return call(vm.fd(), DROVER_KVM_NAMED(KVM_SET_IRQCHIP), &chip, kSet);
}

Result<IoapicState> get_ioapic(const Vm& vm) {
  kvm_irqchip chip{};
  chip.chip_id = KVM_IRQCHIP_IOAPIC;
  if (Status got = call(vm.fd(), DROVER_KVM_NAMED(KVM_GET_IRQCHIP), &chip, kGet); !got) return got.error();
  return IoapicState{chip.chip.ioapic};
}

Status set_ioapic(const Vm& vm, const IoapicState& state) {
  kvm_irqchip chip{};
  chip.chip_id = KVM_IRQCHIP_IOAPIC;
  chip.chip.ioapic = state.chip;
  return call(vm.fd(), DROVER_KVM_NAMED(KVM_SET_IRQCHIP), &chip, kSet);
}

Result<PitState> get_pit(const Vm& vm) {
  PitState state;
  if (Status got = call(vm.fd(), DROVER_KVM_NAMED(KVM_GET_PIT2), &state.chip, "the timer chip cannot be read"); !got) {
    return got.error();
  }
  const int64_t now = monotonic_now();
  for (kvm_pit_channel_state& channel : state.chip.channels) {
    channel.count_load_time = std::clamp<int64_t>(now - channel.count_load_time, 0, kElapsedMax);
  }
  return state;
}

Status set_pit(const Vm& vm, const PitState& state) {
  kvm_pit_state2 chip = state.chip;
  const int64_t now = monotonic_now();
  for (kvm_pit_channel_state& channel : chip.channels) {
    channel.count_load_time = now - std::clamp<int64_t>(channel.count_load_time, 0, kElapsedMax);
  }
  return call(vm.fd(), DROVER_KVM_NAMED(KVM_SET_PIT2), &chip, "the timer chip cannot be set");
}

}  // namespace drover::kvm
