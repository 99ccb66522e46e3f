#include "core/kvm/state/time_access.h"

#include <time.h>

#include <cstdlib>
#include <string>

#include "core/kvm/ioctl.h"
#include "core/kvm/state/cpu_access.h"
#include "core/kvm/uapi.h"
#include "core/machine/msr_names.h"

namespace drover::kvm {

namespace {

using machine::describe_msr;
using machine::GuestTime;
using machine::kMsrTsc;

// Hosts measure their TSC at boot, so equal processors differ a little; the same tolerance as KVM's own.
constexpr int64_t kTolerancePerMillion = 250;
// How far a TSC may lie from where it was set; the wall clock by which time goes on is itself adjusted all the time.
constexpr int64_t kTscToleranceNs = 10000000;

int64_t wall_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

Result<uint64_t> read_tsc(const Vcpu& vcpu) {
  auto values = get_msrs(vcpu, {kMsrTsc});
  if (!values) return values.error();
  if (values.value().empty()) return Error{Code::unsupported, "this host's KVM does not tell a guest's TSC"};
  return values.value()[0].value;
}

// What KVM adds to the host's TSC (scaled, where it scales) for this guest; KVM_VCPU_TSC_OFFSET, Linux 5.16.
kvm_device_attr offset_attribute(uint64_t& value) {
  kvm_device_attr attribute{};
  attribute.group = KVM_VCPU_TSC_CTRL;
  attribute.attr = KVM_VCPU_TSC_OFFSET;
  attribute.addr = reinterpret_cast<uintptr_t>(&value);
  return attribute;
}

Status read_offset(const Vcpu& vcpu, uint64_t& offset) {
  const kvm_device_attr attribute = offset_attribute(offset);
  return call(vcpu.fd(), DROVER_KVM_NAMED(KVM_GET_DEVICE_ATTR), &attribute, "a guest's TSC cannot be read");
}

Status write_offset(const Vcpu& vcpu, uint64_t offset) {
  const kvm_device_attr attribute = offset_attribute(offset);
  return call(vcpu.fd(), DROVER_KVM_NAMED(KVM_SET_DEVICE_ATTR), &attribute, "a guest's TSC cannot be set");
}

GuestTime guest_time(const TimeState& state) {
  return {state.wall_ns, state.clock_ns, state.tscs.empty() ? 0 : state.tscs[0], state.tsc_khz};
}

Status set_frequency(const Vcpu& vcpu, uint32_t wanted_khz) {
  auto have = query(vcpu.fd(), DROVER_KVM_NAMED(KVM_GET_TSC_KHZ), 0, "this host's TSC frequency is not known");
  if (!have) return have.error();
  const int64_t difference = std::llabs(int64_t{wanted_khz} - have.value());
  if (wanted_khz != 0 && difference * 1000000 <= int64_t{wanted_khz} * kTolerancePerMillion) return success();
  if (query(vcpu.fd(), DROVER_KVM_NAMED(KVM_SET_TSC_KHZ), wanted_khz, "")) return success();
  return Error{Code::unsupported, "the guest's TSC counts at " + std::to_string(wanted_khz) +
                                      " kHz, and this host, at " + std::to_string(have.value()) +
                                      " kHz, cannot scale its own; choose a host of the same frequency"};
}

// Where KVM runs guests without the processor's help it says yes to a TSC that it cannot give them: so it is looked at.
Status check_tsc(const Vcpu& vcpu, uint64_t wanted, int64_t begin, uint32_t khz) {
  auto have = read_tsc(vcpu);
  if (!have) return have.error();
  const int64_t passed_ns = wall_now() - begin;
  const auto late_ns =
      static_cast<int64_t>(static_cast<__int128>(static_cast<int64_t>(have.value() - wanted)) * 1000000 / khz);
  if (late_ns >= -kTscToleranceNs && late_ns <= passed_ns + kTscToleranceNs) return success();
  return Error{Code::unsupported, "cpu" + std::to_string(vcpu.index()) + ": this host cannot set " +
                                      describe_msr(kMsrTsc) +
                                      " to the guest's value: its KVM gives every guest the host's own; choose a host "
                                      "whose KVM uses the processor's virtualisation"};
}

}  // namespace

Result<TimeState> get_time(const Vm& vm, const std::vector<Vcpu*>& vcpus) {
  TimeState state;
  auto khz = query(vcpus[0]->fd(), DROVER_KVM_NAMED(KVM_GET_TSC_KHZ), 0, "the guest's TSC frequency is not known");
  if (!khz) return khz.error();
  state.tsc_khz = static_cast<uint32_t>(khz.value());
  kvm_clock_data clock{};
  if (Status got = call(vm.fd(), DROVER_KVM_NAMED(KVM_GET_CLOCK), &clock, "the guest's clock cannot be read"); !got) {
    return got.error();
  }
  state.clock_ns = clock.clock;
  // The three are read one after the other, within microseconds.
  auto first = read_tsc(*vcpus[0]);
  if (!first) return first.error();
  state.wall_ns = wall_now();
  uint64_t first_offset = 0;
  const bool has_offsets = read_offset(*vcpus[0], first_offset).ok();
  for (const Vcpu* vcpu : vcpus) {
    uint64_t offset = 0;
    if (has_offsets) {
      if (Status got = read_offset(*vcpu, offset); !got) return got.error();
    }
    // Without offsets they are taken to be in step, as every guest expects them.
    state.tscs.push_back(first.value() + (offset - (has_offsets ? first_offset : 0)));
  }
  return state;
}

Status set_clock(const Vm& vm, const TimeState& state, ClockMode mode) {
  auto now = advance(guest_time(state), wall_now(), mode);
  if (!now) return now.error();
  kvm_clock_data clock{};
  clock.clock = now.value().clock_ns;
  return call(vm.fd(), DROVER_KVM_NAMED(KVM_SET_CLOCK), &clock, "the guest's clock cannot be set");
}

// An offset is set rather than the TSC itself: KVM takes TSCs written within a second of each other for an attempt to
// put them in step, and changes them.
Status set_tscs(const std::vector<Vcpu*>& vcpus, const TimeState& state, ClockMode mode) {
  for (const Vcpu* vcpu : vcpus) {
    if (Status set = set_frequency(*vcpu, state.tsc_khz); !set) return set;
  }
  uint64_t offset = 0;
  const bool has_offsets = read_offset(*vcpus[0], offset).ok();
  auto have = read_tsc(*vcpus[0]);
  if (!have) return have.error();
  const int64_t begin = wall_now();
  auto now = advance(guest_time(state), begin, mode);
  if (!now) return now.error();
  for (size_t index = 0; index < vcpus.size(); ++index) {
    const uint64_t ahead = state.tscs[index] - state.tscs[0];
    Status set = has_offsets ? write_offset(*vcpus[index], offset + (now.value().tsc - have.value()) + ahead)
                             : set_msrs(*vcpus[index], {{kMsrTsc, now.value().tsc + ahead}});
    if (!set) return set;
  }
  for (size_t index = 0; index < vcpus.size(); ++index) {
    const uint64_t ahead = state.tscs[index] - state.tscs[0];
    if (Status checked = check_tsc(*vcpus[index], now.value().tsc + ahead, begin, state.tsc_khz); !checked) {
      return checked;
    }
  }
  return success();
}

}  // namespace drover::kvm
