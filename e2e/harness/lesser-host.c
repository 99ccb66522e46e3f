/*
 * Preloaded into an agent and its machines: a host whose KVM offers less than the real one. It hides one feature of CPUID,
 * lahf_lm, and one model-specific register, IA32_PAT.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>

enum { IA32_PAT = 0x277, LAHF_LM = 1 };

int ioctl(int fd, unsigned long request, ...) {
  static int (*real)(int, unsigned long, ...);
  if (!real) real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  int answer = real(fd, request, argument);
  if (answer < 0) return answer;
  if (request == KVM_GET_SUPPORTED_CPUID) {
    struct kvm_cpuid2* cpuid = argument;
    for (uint32_t i = 0; i < cpuid->nent; i++) {
      if (cpuid->entries[i].function == 0x80000001) cpuid->entries[i].ecx &= ~(uint32_t)LAHF_LM;
    }
  }
  if (request == KVM_GET_MSR_INDEX_LIST) {
    struct kvm_msr_list* list = argument;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->nmsrs; i++) {
      if (list->indices[i] != IA32_PAT) list->indices[kept++] = list->indices[i];
    }
    list->nmsrs = kept;
  }
  return answer;
}
