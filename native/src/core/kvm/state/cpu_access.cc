#include "core/kvm/state/cpu_access.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>

#include "core/kvm/cpuid.h"
#include "core/kvm/ioctl.h"
#include "core/kvm/uapi.h"
#include "core/machine/msr_names.h"

namespace drover::kvm {

namespace {

using machine::describe_msr;
using machine::kMsrTsc;
using machine::kMsrTscDeadline;

// KVM answers EINVAL to what it does not have or does not allow: that is this host's lack.
Status set(const Vcpu& vcpu, unsigned long request, const char* name, const void* argument, const char* part) {
  Status done = call(vcpu.fd(), request, name, argument,
                     "cpu" + std::to_string(vcpu.index()) + ": this host cannot take on the " + part);
  if (!done && done.error().error_number == EINVAL) done.error().code = Code::unsupported;
  return done;
}

Status get(const Vcpu& vcpu, unsigned long request, const char* name, void* argument) {
  return call(vcpu.fd(), request, name, argument, "cpu" + std::to_string(vcpu.index()) + ": its state cannot be read");
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Registers that come with the time instead.
bool is_of_time(uint32_t index) { return index == kMsrTsc || index == kMsrTscDeadline; }

// Registers in which a guest tells KVM, or Hyper-V's interface in it, where in memory to write something. Linux
// Documentation/virt/kvm/x86/msr; Hyper-V TLFS, chapter 3 and on. Those in between that name no memory do no harm here.
bool may_name_memory(uint32_t index) {
  return index == 0x11 || index == 0x12 || (index >= 0x4b564d00 && index <= 0x4b564dff) ||
         (index >= 0x40000000 && index <= 0x40001fff);
}

// KVM_POLL_CONTROL and KVM_MIGRATION_CONTROL are flags, and not zero in a guest that never wrote them.
bool is_flag_of_kvm(uint32_t index) { return index == 0x4b564d05 || index == 0x4b564d08; }

}  // namespace

Status set_cpuid(const Vcpu& vcpu, const CpuidState& state) {
  const std::vector<std::string> missing = missing_parts({state.entries, {}}, vcpu.vm().host()).features;
  if (!missing.empty()) {
    return Error{Code::unsupported, "cpu" + std::to_string(vcpu.index()) +
                                        ": this host's processor lacks what the guest was shown: " + joined(missing)};
  }
  uapi::CpuidList list;
  list.count = static_cast<uint32_t>(std::min(state.entries.size(), list.entries.size()));
  std::copy_n(state.entries.begin(), list.count, list.entries.begin());
  return set(vcpu, uapi::kSetCpuid2, "KVM_SET_CPUID2", &list, "CPUID");
}

Result<std::vector<uint32_t>> msrs_of(const Vcpu& vcpu) {
  std::vector<uint32_t> indices = vcpu.vm().host().msrs();
  // Kernels list it or do not.
  std::erase(indices, kMsrTscDeadline);
  indices.push_back(kMsrTscDeadline);
  std::erase(indices, kMsrTsc);
  auto values = get_msrs(vcpu, indices);
  if (!values) return values.error();
  indices.clear();
  for (const MsrValue& msr : values.value()) indices.push_back(msr.index);
  return indices;
}

Result<std::vector<MsrValue>> get_msrs(const Vcpu& vcpu, const std::vector<uint32_t>& indices) {
  std::vector<uint32_t> left = indices;
  std::vector<MsrValue> values;
  auto list = std::make_unique<uapi::MsrList>();
  while (!left.empty()) {
    list->count = static_cast<uint32_t>(std::min(left.size(), list->entries.size()));
    for (size_t at = 0; at < list->count; ++at) list->entries[at] = {left[at], 0, 0};
    auto got = query(vcpu.fd(), uapi::kGetMsrs, "KVM_GET_MSRS", reinterpret_cast<uintptr_t>(list.get()),
                     "cpu" + std::to_string(vcpu.index()) + ": its registers cannot be read");
    if (!got) return got.error();
    const size_t read = std::min<size_t>(static_cast<size_t>(got.value()), list->count);
    for (size_t at = 0; at < read; ++at) values.push_back({list->entries[at].index, list->entries[at].data});
    // KVM stops at the first that this guest's processor does not have; nothing is lost with it.
    left.erase(left.begin(), left.begin() + static_cast<ptrdiff_t>(read == list->count ? read : read + 1));
  }
  return values;
}

Status set_msrs(const Vcpu& vcpu, const std::vector<MsrValue>& msrs) {
  auto list = std::make_unique<uapi::MsrList>();
  size_t done = 0;
  while (done < msrs.size()) {
    list->count = static_cast<uint32_t>(std::min(msrs.size() - done, list->entries.size()));
    for (size_t at = 0; at < list->count; ++at) list->entries[at] = {msrs[done + at].index, 0, msrs[done + at].value};
    auto set = query(vcpu.fd(), uapi::kSetMsrs, "KVM_SET_MSRS", reinterpret_cast<uintptr_t>(list.get()),
                     "cpu" + std::to_string(vcpu.index()) + ": its registers cannot be set");
    if (!set) return set.error();
    done += static_cast<size_t>(set.value());
    if (static_cast<uint32_t>(set.value()) >= list->count) continue;
    // KVM stops at the first that it refuses. One that only says what the host is may have the value already.
    const MsrValue& refused = msrs[done];
    auto have = get_msrs(vcpu, {refused.index});
    if (!have) return have.error();
    if (have.value() != std::vector<MsrValue>{refused}) {
      return Error{Code::unsupported, "cpu" + std::to_string(vcpu.index()) + ": this host cannot set " +
                                          describe_msr(refused.index) + " to the guest's value"};
    }
    ++done;
  }
  return success();
}

// Reading the MP state may make KVM act on a pending INIT or SIPI, and several reads may move a pending exception: the
// one comes first, the events last.
Result<CpuState> get_cpu(const Vcpu& vcpu, const std::vector<uint32_t>& msr_indices) {
  CpuState state;
  if (Status got = get(vcpu, DROVER_KVM_NAMED(KVM_GET_MP_STATE), &state.mp_state); !got) return got.error();
  if (Status got = get(vcpu, DROVER_KVM_NAMED(KVM_GET_REGS), &state.regs); !got) return got.error();
  if (Status got = get(vcpu, DROVER_KVM_NAMED(KVM_GET_SREGS), &state.sregs); !got) return got.error();
  const size_t xsave_bytes = vcpu.vm().host().xsave_bytes();
  state.xsave.resize(xsave_bytes);
  if (Status got = xsave_bytes > uapi::kXsaveBytes ? get(vcpu, uapi::kGetXsave2, "KVM_GET_XSAVE2", state.xsave.data())
                                                   : get(vcpu, uapi::kGetXsave, "KVM_GET_XSAVE", state.xsave.data());
      !got) {
    return got.error();
  }
  kvm_xcrs xcrs{};
  if (Status got = get(vcpu, DROVER_KVM_NAMED(KVM_GET_XCRS), &xcrs); !got) return got.error();
  state.xcrs.assign(xcrs.xcrs, xcrs.xcrs + std::min<uint32_t>(xcrs.nr_xcrs, KVM_MAX_XCRS));
  if (Status got = get(vcpu, DROVER_KVM_NAMED(KVM_GET_DEBUGREGS), &state.debugregs); !got) return got.error();
  if (Status got = get(vcpu, DROVER_KVM_NAMED(KVM_GET_LAPIC), &state.lapic); !got) return got.error();
  auto msrs = get_msrs(vcpu, msr_indices);
  if (!msrs) return msrs.error();
  state.msrs = msrs.take();
  if (Status got = get(vcpu, DROVER_KVM_NAMED(KVM_GET_VCPU_EVENTS), &state.events); !got) return got.error();
  return state;
}

// The APIC's base lies in the special registers, so they come before the APIC; the XCRs allow parts of the XSAVE area,
// and CR4 the XCRs.
Status set_cpu(const Vcpu& vcpu, const CpuState& state) {
  if (Status done = set(vcpu, DROVER_KVM_NAMED(KVM_SET_MP_STATE), &state.mp_state, "processor's activity"); !done) {
    return done;
  }
  if (Status done = set(vcpu, DROVER_KVM_NAMED(KVM_SET_REGS), &state.regs, "general registers"); !done) return done;
  if (Status done = set(vcpu, DROVER_KVM_NAMED(KVM_SET_SREGS), &state.sregs, "special registers"); !done) return done;
  kvm_xcrs xcrs{};
  if (state.xcrs.size() > KVM_MAX_XCRS) {
    return Error{Code::invalid_argument, "a processor's state has too many extended control registers"};
  }
  xcrs.nr_xcrs = static_cast<uint32_t>(state.xcrs.size());
  std::copy(state.xcrs.begin(), state.xcrs.end(), xcrs.xcrs);
  if (Status done = set(vcpu, DROVER_KVM_NAMED(KVM_SET_XCRS), &xcrs, "extended control registers (XCR0)"); !done) {
    return done;
  }
  // A larger area than this host's may still hold nothing beyond it: KVM looks at the parts in use.
  std::vector<uint8_t> xsave = state.xsave;
  const size_t host_bytes = vcpu.vm().host().xsave_bytes();
  if (std::any_of(xsave.begin() + static_cast<ptrdiff_t>(std::min(host_bytes, xsave.size())), xsave.end(),
                  [](uint8_t byte) { return byte != 0; })) {
    return Error{Code::unsupported, "cpu" + std::to_string(vcpu.index()) + ": this host keeps only " +
                                        std::to_string(host_bytes) +
                                        " bytes of extended registers, and the guest uses more"};
  }
  xsave.resize(host_bytes);
  if (Status done = set(vcpu, uapi::kSetXsave, "KVM_SET_XSAVE", xsave.data(), "FPU and vector registers (XSAVE)");
      !done) {
    return done;
  }
  if (Status done = set(vcpu, DROVER_KVM_NAMED(KVM_SET_DEBUGREGS), &state.debugregs, "debug registers"); !done) {
    return done;
  }
  if (Status done = set(vcpu, DROVER_KVM_NAMED(KVM_SET_LAPIC), &state.lapic, "local APIC"); !done) return done;
  std::vector<MsrValue> msrs;
  std::copy_if(state.msrs.begin(), state.msrs.end(), std::back_inserter(msrs),
               [](const MsrValue& msr) { return !is_of_time(msr.index); });
  if (Status done = set_msrs(vcpu, msrs); !done) return done;
  return set(vcpu, DROVER_KVM_NAMED(KVM_SET_VCPU_EVENTS), &state.events, "pending events");
}

bool touches_memory(const CpuState& state) {
  constexpr uint64_t kPaging = 1ull << 31;                 // CR0.PG
  constexpr uint64_t kPhysicalAddressExtension = 1u << 5;  // CR4.PAE
  constexpr uint64_t kLongModeActive = 1u << 10;           // EFER.LMA
  const bool pae = (state.sregs.cr0 & kPaging) != 0 && (state.sregs.cr4 & kPhysicalAddressExtension) != 0 &&
                   (state.sregs.efer & kLongModeActive) == 0;
  return pae || std::any_of(state.msrs.begin(), state.msrs.end(), [](const MsrValue& msr) {
           return msr.value != 0 && may_name_memory(msr.index) && !is_flag_of_kvm(msr.index);
         });
}

Status set_tsc_deadline(const Vcpu& vcpu, const CpuState& state) {
  std::vector<MsrValue> msrs;
  std::copy_if(state.msrs.begin(), state.msrs.end(), std::back_inserter(msrs),
               [](const MsrValue& msr) { return msr.index == kMsrTscDeadline; });
  return set_msrs(vcpu, msrs);
}

}  // namespace drover::kvm
