#include "core/kvm/stopped_clock.h"

#include "core/kvm/state/time_access.h"
#include "core/kvm/vcpu.h"
#include "core/kvm/vm.h"
#include "core/memory/memfd.h"

namespace drover::kvm {

namespace {

// About six minutes of a fast TSC: far from what reading and setting could take.
constexpr uint64_t kAhead = uint64_t{1} << 40;

}  // namespace

Status check_stopped_clock(std::shared_ptr<const Host> host) {
  auto file = create_memfd("drover-probe", kPageSize);
  if (!file) return file.error();
  const RegionSpec region{"probe", file.value().get(), 0, kPageSize};
  auto memory = GuestMemory::open({&region, 1});
  if (!memory) return memory.error();
  const Tracking tracking = host->has_dirty_log() ? Tracking::dirty_log : Tracking::dirty_ring;
  auto vm = Vm::create(std::move(host), memory.take(), tracking, Vm::kRingEntries);
  if (!vm) return vm.error();
  auto vcpu = Vcpu::create(vm.value(), 0);
  if (!vcpu) return vcpu.error();
  const std::vector<Vcpu*> all = {vcpu.value().get()};
  auto time = get_time(*vm.value(), all);
  if (!time) return time.error();
  time.value().tscs[0] += kAhead;
  return set_tscs(all, time.value(), ClockMode::stopped);
}

}  // namespace drover::kvm
