// What a guest sees of the processor, and whether another host can show it the same.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/kvm/host.h"

namespace drover::kvm {

// The host's processor as number `index` of `count`: its identity and the features that KVM adds by itself.
std::vector<kvm_cpuid_entry2> cpuid_of(const Host& host, unsigned index, unsigned count);

// What a guest was promised of its processors for life.
struct CpuDefinition {
  std::vector<kvm_cpuid_entry2> cpuid;  // of the first one; the others differ in their numbers alone
  std::vector<uint32_t> msrs;           // the registers that are part of its state
};

// What a host lacks of it, by name. Both empty: the guest can go on there.
struct MissingParts {
  std::vector<std::string> features;  // see cpu_features.h; "the vendor GenuineIntel" where the host's is another
  std::vector<std::string> msrs;      // "MSR 0x6e0 (IA32_TSC_DEADLINE)"
  bool none() const { return features.empty() && msrs.empty(); }
};
MissingParts missing_parts(const CpuDefinition& wanted, const Host& host);

}  // namespace drover::kvm
