// The features of a processor by name, as CPUID tells them.
#pragma once

#include <linux/kvm.h>

#include <span>
#include <string>
#include <vector>

namespace drover::kvm {

// As /proc/cpuinfo spells them ("avx512f", "sse4_1"), those that KVM adds as QEMU does with underscores ("kvm_pv_eoi");
// a feature without a name is its place, "cpuid_7.0_ebx_9" (leaf, subleaf, register, bit).

// Every feature in `entries`, ascending, each once.
std::vector<std::string> features_in(std::span<const kvm_cpuid_entry2> entries);

// Features that `wanted` has and `offered` has not, in the order of CPUID.
std::vector<std::string> missing_features(std::span<const kvm_cpuid_entry2> wanted,
                                          std::span<const kvm_cpuid_entry2> offered);

// "GenuineIntel"; empty where it is not told.
std::string vendor_in(std::span<const kvm_cpuid_entry2> entries);
// "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"; empty where it is not told.
std::string model_in(std::span<const kvm_cpuid_entry2> entries);

}  // namespace drover::kvm
