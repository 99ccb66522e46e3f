#include "core/kvm/cpuid.h"

#include <algorithm>
#include <cstdio>

namespace drover::kvm {

namespace {

enum Register { kEax, kEbx, kEcx, kEdx };
constexpr const char* kRegisterNames[] = {"eax", "ebx", "ecx", "edx"};

constexpr uint32_t kTscDeadline = 1u << 24;     // 1 ecx
constexpr uint32_t kHypervisor = 1u << 31;      // 1 ecx
constexpr uint32_t kHyperThreading = 1u << 28;  // 1 edx
// They mirror a control register of the guest, so they say nothing of the host. 1 ecx, 7 ecx.
constexpr uint32_t kOsXsave = 1u << 27;
constexpr uint32_t kOsPke = 1u << 4;

// The registers in which each bit is a feature that software may have come to rely on. Intel SDM volume 2A, AMD APM
// volume 3 appendix E, Linux Documentation/virt/kvm/x86/cpuid.
struct FeatureWord {
  uint32_t leaf;
  uint32_t subleaf;
  Register reg;
  uint32_t ignored;
};
constexpr FeatureWord kFeatureWords[] = {
    {0x1, 0, kEcx, kOsXsave | kHypervisor},
    {0x1, 0, kEdx, kHyperThreading},
    {0x6, 0, kEax, 0},
    {0x7, 0, kEbx, 0},
    {0x7, 0, kEcx, kOsPke},
    {0x7, 0, kEdx, 0},
    {0x7, 1, kEax, 0},
    {0x7, 1, kEdx, 0},
    {0x7, 2, kEdx, 0},
    {0xd, 0, kEax, 0},
    {0xd, 0, kEdx, 0},
    {0xd, 1, kEax, 0},
    {0x80000001, 0, kEcx, 0},
    {0x80000001, 0, kEdx, 0},
    {0x80000007, 0, kEdx, 0},
    {0x80000008, 0, kEbx, 0},
    {0x8000000a, 0, kEdx, 0},
    {0x80000021, 0, kEax, 0},
    {0x40000001, 0, kEax, 0},
};

struct FeatureName {
  uint32_t leaf;
  uint32_t subleaf;
  Register reg;
  unsigned bit;
  const char* name;
};
constexpr FeatureName kFeatureNames[] = {
    {0x1, 0, kEcx, 0, "sse3"},
    {0x1, 0, kEcx, 1, "pclmulqdq"},
    {0x1, 0, kEcx, 9, "ssse3"},
    {0x1, 0, kEcx, 12, "fma"},
    {0x1, 0, kEcx, 13, "cx16"},
    {0x1, 0, kEcx, 17, "pcid"},
    {0x1, 0, kEcx, 19, "sse4.1"},
    {0x1, 0, kEcx, 20, "sse4.2"},
    {0x1, 0, kEcx, 21, "x2apic"},
    {0x1, 0, kEcx, 22, "movbe"},
    {0x1, 0, kEcx, 23, "popcnt"},
    {0x1, 0, kEcx, 24, "tsc-deadline"},
    {0x1, 0, kEcx, 25, "aes"},
    {0x1, 0, kEcx, 26, "xsave"},
    {0x1, 0, kEcx, 28, "avx"},
    {0x1, 0, kEcx, 29, "f16c"},
    {0x1, 0, kEcx, 30, "rdrand"},
    {0x1, 0, kEdx, 25, "sse"},
    {0x1, 0, kEdx, 26, "sse2"},
    {0x6, 0, kEax, 2, "arat"},
    {0x7, 0, kEbx, 0, "fsgsbase"},
    {0x7, 0, kEbx, 1, "tsc_adjust"},
    {0x7, 0, kEbx, 3, "bmi1"},
    {0x7, 0, kEbx, 5, "avx2"},
    {0x7, 0, kEbx, 7, "smep"},
    {0x7, 0, kEbx, 8, "bmi2"},
    {0x7, 0, kEbx, 9, "erms"},
    {0x7, 0, kEbx, 10, "invpcid"},
    {0x7, 0, kEbx, 16, "avx512f"},
    {0x7, 0, kEbx, 17, "avx512dq"},
    {0x7, 0, kEbx, 18, "rdseed"},
    {0x7, 0, kEbx, 19, "adx"},
    {0x7, 0, kEbx, 20, "smap"},
    {0x7, 0, kEbx, 23, "clflushopt"},
    {0x7, 0, kEbx, 24, "clwb"},
    {0x7, 0, kEbx, 28, "avx512cd"},
    {0x7, 0, kEbx, 29, "sha"},
    {0x7, 0, kEbx, 30, "avx512bw"},
    {0x7, 0, kEbx, 31, "avx512vl"},
    {0x7, 0, kEcx, 1, "avx512_vbmi"},
    {0x7, 0, kEcx, 2, "umip"},
    {0x7, 0, kEcx, 3, "pku"},
    {0x7, 0, kEcx, 8, "gfni"},
    {0x7, 0, kEcx, 9, "vaes"},
    {0x7, 0, kEcx, 16, "la57"},
    {0x7, 0, kEcx, 22, "rdpid"},
    {0x7, 0, kEdx, 22, "amx-bf16"},
    {0x7, 0, kEdx, 24, "amx-tile"},
    {0x7, 0, kEdx, 25, "amx-int8"},
    {0x7, 0, kEdx, 26, "spec_ctrl"},
    {0x7, 0, kEdx, 29, "arch_capabilities"},
    {0x7, 0, kEdx, 31, "ssbd"},
    {0xd, 0, kEax, 2, "avx state"},
    {0xd, 0, kEax, 9, "pku state"},
    {0xd, 0, kEax, 18, "amx state"},
    {0xd, 1, kEax, 0, "xsaveopt"},
    {0xd, 1, kEax, 1, "xsavec"},
    {0xd, 1, kEax, 3, "xsaves"},
    {0x80000001, 0, kEcx, 0, "lahf_lm"},
    {0x80000001, 0, kEcx, 2, "svm"},
    {0x80000001, 0, kEcx, 5, "abm"},
    {0x80000001, 0, kEcx, 6, "sse4a"},
    {0x80000001, 0, kEdx, 11, "syscall"},
    {0x80000001, 0, kEdx, 20, "nx"},
    {0x80000001, 0, kEdx, 26, "pdpe1gb"},
    {0x80000001, 0, kEdx, 27, "rdtscp"},
    {0x80000001, 0, kEdx, 29, "lm"},
    {0x80000008, 0, kEbx, 12, "ibpb"},
    {0x40000001, 0, kEax, 3, "kvmclock"},
    {0x40000001, 0, kEax, 5, "kvm_steal_time"},
};

const kvm_cpuid_entry2* find(std::span<const kvm_cpuid_entry2> entries, uint32_t leaf, uint32_t subleaf) {
  const auto at = std::find_if(entries.begin(), entries.end(), [&](const kvm_cpuid_entry2& entry) {
    return entry.function == leaf && entry.index == subleaf;
  });
  return at == entries.end() ? nullptr : &*at;
}

uint32_t value(const kvm_cpuid_entry2& entry, Register reg) {
  const uint32_t values[] = {entry.eax, entry.ebx, entry.ecx, entry.edx};
  return values[reg];
}

std::string name_of(const FeatureWord& word, unsigned bit) {
  for (const FeatureName& feature : kFeatureNames) {
    if (feature.leaf == word.leaf && feature.subleaf == word.subleaf && feature.reg == word.reg && feature.bit == bit) {
      return feature.name;
    }
  }
  char text[64];
  std::snprintf(text, sizeof text, "cpuid %x.%x %s bit %u", word.leaf, word.subleaf, kRegisterNames[word.reg], bit);
  return text;
}

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

std::vector<std::string> missing_features(std::span<const kvm_cpuid_entry2> wanted, const Host& host) {
  const std::vector<kvm_cpuid_entry2> have = cpuid_of(host, 0, 1);
  std::vector<std::string> missing;
  for (const FeatureWord& word : kFeatureWords) {
    const kvm_cpuid_entry2* asked = find(wanted, word.leaf, word.subleaf);
    if (asked == nullptr) continue;
    const kvm_cpuid_entry2* given = find(have, word.leaf, word.subleaf);
    const uint32_t lacking =
        value(*asked, word.reg) & ~(given == nullptr ? 0 : value(*given, word.reg)) & ~word.ignored;
    for (unsigned bit = 0; bit < 32; ++bit) {
      if ((lacking >> bit & 1) != 0) missing.push_back(name_of(word, bit));
    }
  }
  return missing;
}

}  // namespace drover::kvm
