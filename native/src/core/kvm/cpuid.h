// What a guest sees of the processor, and whether another host can show it the same.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/kvm/host.h"

namespace drover::kvm {

// The host's processor as number `index` of `count`: its identity and the features that KVM adds by itself.
std::vector<kvm_cpuid_entry2> cpuid_of(const Host& host, unsigned index, unsigned count);

// Features that `wanted` shows a guest and the host cannot: their names ("avx512f"), or "cpuid 7.0 ebx bit 9" where a
// feature has no name here. Empty: a guest that saw `wanted` can go on.
std::vector<std::string> missing_features(std::span<const kvm_cpuid_entry2> wanted, const Host& host);

}  // namespace drover::kvm
