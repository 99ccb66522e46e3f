#include "core/kvm/cpuid.h"

#include <algorithm>

#include "core/kvm/cpu_features.h"
#include "core/machine/msr_names.h"

namespace drover::kvm {

namespace {

constexpr uint32_t kTscDeadline = 1u << 24;     // 1 ecx
constexpr uint32_t kHypervisor = 1u << 31;      // 1 ecx
constexpr uint32_t kHyperThreading = 1u << 28;  // 1 edx

}  // namespace

std::vector<kvm_cpuid_entry2> cpuid_of(const Host& host, unsigned index, unsigned count) {
  std::vector<kvm_cpuid_entry2> entries = host.cpuid();
  for (kvm_cpuid_entry2& entry : entries) {
    switch (entry.function) {
      case 0x1:
        entry.ebx = (entry.ebx & 0xffff) | (std::min(count, 255u) & 0xff) << 16 | (index & 0xff) << 24;
        entry.ecx |= kHypervisor;
        if (host.extension(KVM_CAP_TSC_DEADLINE_TIMER) != 0) entry.ecx |= kTscDeadline;
        if (count > 1) {
          entry.edx |= kHyperThreading;
        } else {
          entry.edx &= ~kHyperThreading;
        }
        break;
      case 0xb:
      case 0x1f:
        entry.edx = index;  // the x2APIC number
        break;
      default: break;
    }
  }
  return entries;
}

MissingParts missing_parts(const CpuDefinition& wanted, const Host& host) {
  const std::vector<kvm_cpuid_entry2> offered = cpuid_of(host, 0, 1);
  MissingParts missing;
  const std::string vendor = vendor_in(wanted.cpuid);
  if (!vendor.empty() && vendor != vendor_in(offered)) missing.features.push_back("the vendor " + vendor);
  for (std::string& name : missing_features(wanted.cpuid, offered)) missing.features.push_back(std::move(name));
  for (const uint32_t index : wanted.msrs) {
    const bool of_time = index == machine::kMsrTsc || index == machine::kMsrTscDeadline;
    const auto& there = host.msrs();
    if (of_time || std::find(there.begin(), there.end(), index) != there.end()) continue;
    missing.msrs.push_back(machine::describe_msr(index));
  }
  return missing;
}

}  // namespace drover::kvm
