#include "core/machine/msr_names.h"

#include <cstdio>

namespace drover::machine {

namespace {

struct Name {
  uint32_t index;
  const char* name;
};

// Intel SDM volume 4, AMD APM volume 2 appendix A, Linux Documentation/virt/kvm/x86/msr.
constexpr Name kNames[] = {
    {0x10, "IA32_TSC"},
    {0x11, "KVM_WALL_CLOCK"},
    {0x12, "KVM_SYSTEM_TIME"},
    {0x1b, "IA32_APIC_BASE"},
    {0x3a, "IA32_FEATURE_CONTROL"},
    {0x3b, "IA32_TSC_ADJUST"},
    {0x48, "IA32_SPEC_CTRL"},
    {0x8b, "IA32_BIOS_SIGN_ID"},
    {0xe1, "IA32_UMWAIT_CONTROL"},
    {0x10a, "IA32_ARCH_CAPABILITIES"},
    {0x122, "IA32_TSX_CTRL"},
    {0x174, "IA32_SYSENTER_CS"},
    {0x175, "IA32_SYSENTER_ESP"},
    {0x176, "IA32_SYSENTER_EIP"},
    {0x17a, "IA32_MCG_STATUS"},
    {0x17b, "IA32_MCG_CTL"},
    {0x1a0, "IA32_MISC_ENABLE"},
    {0x1d9, "IA32_DEBUGCTL"},
    {0x277, "IA32_PAT"},
    {0x345, "IA32_PERF_CAPABILITIES"},
    {0x6e0, "IA32_TSC_DEADLINE"},
    {0xda0, "IA32_XSS"},
    {0x4b564d00, "KVM_WALL_CLOCK_NEW"},
    {0x4b564d01, "KVM_SYSTEM_TIME_NEW"},
    {0x4b564d02, "KVM_ASYNC_PF_EN"},
    {0x4b564d03, "KVM_STEAL_TIME"},
    {0x4b564d04, "KVM_PV_EOI_EN"},
    {0x4b564d05, "KVM_POLL_CONTROL"},
    {0x4b564d06, "KVM_ASYNC_PF_INT"},
    {0x4b564d07, "KVM_ASYNC_PF_ACK"},
    {0xc0000080, "EFER"},
    {0xc0000081, "STAR"},
    {0xc0000082, "LSTAR"},
    {0xc0000083, "CSTAR"},
    {0xc0000084, "SYSCALL_MASK"},
    {0xc0000102, "KERNEL_GS_BASE"},
    {0xc0000103, "TSC_AUX"},
    {0xc0010015, "HWCR"},
    {0xc0010117, "VM_HSAVE_PA"},
    {0xc001011f, "VIRT_SPEC_CTRL"},
};

}  // namespace

std::string describe_msr(uint32_t index) {
  char text[64];
  for (const Name& known : kNames) {
    if (known.index != index) continue;
    std::snprintf(text, sizeof text, "MSR 0x%x (%s)", index, known.name);
    return text;
  }
  std::snprintf(text, sizeof text, "MSR 0x%x", index);
  return text;
}

}  // namespace drover::machine
