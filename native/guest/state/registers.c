#include "registers.h"

/* IA32_SYSENTER_CS, _ESP, _EIP and IA32_PAT: kept by every processor, and of no use to this guest. */
static const uint32_t msr_numbers[MSRS] = {0x174, 0x175, 0x176, 0x277};
static const uint32_t msr_values[MSRS][2] = {
    {0x00001238, 0}, {0x2468ace0, 0}, {0x13579bdc, 0}, {0x00070406, 0x00010406}};

static uint32_t filled[SSE_REGISTERS][4] __attribute__((aligned(16)));
static uint32_t found[SSE_REGISTERS][4] __attribute__((aligned(16)));

static void allow_sse(void) {
  uint32_t cr0, cr4;
  __asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
  __asm__ volatile("movl %0, %%cr0" ::"r"((cr0 | 0x2) & ~0xcu)); /* MP; not EM, TS */
  __asm__ volatile("movl %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("movl %0, %%cr4" ::"r"(cr4 | 0x600)); /* OSFXSR, OSXMMEXCPT */
}

static void load_sse(void) {
  __asm__ volatile(
      "movdqa 0x00(%0), %%xmm0\n\tmovdqa 0x10(%0), %%xmm1\n\tmovdqa 0x20(%0), %%xmm2\n\tmovdqa 0x30(%0), %%xmm3\n\t"
      "movdqa 0x40(%0), %%xmm4\n\tmovdqa 0x50(%0), %%xmm5\n\tmovdqa 0x60(%0), %%xmm6\n\tmovdqa 0x70(%0), %%xmm7" ::"r"(
          filled)
      : "memory");
}

static void store_sse(void) {
  __asm__ volatile(
      "movdqa %%xmm0, 0x00(%0)\n\tmovdqa %%xmm1, 0x10(%0)\n\tmovdqa %%xmm2, 0x20(%0)\n\tmovdqa %%xmm3, 0x30(%0)\n\t"
      "movdqa %%xmm4, 0x40(%0)\n\tmovdqa %%xmm5, 0x50(%0)\n\tmovdqa %%xmm6, 0x60(%0)\n\tmovdqa %%xmm7, 0x70(%0)" ::"r"(
          found)
      : "memory");
}

void registers_fill(void) {
  uint32_t word = 0x9e3779b1u;
  for (int r = 0; r < SSE_REGISTERS; r++) {
    for (int i = 0; i < 4; i++) filled[r][i] = word = word * 1664525u + 1013904223u;
  }
  allow_sse();
  load_sse();
  for (int m = 0; m < MSRS; m++) {
    __asm__ volatile("wrmsr" ::"c"(msr_numbers[m]), "a"(msr_values[m][0]), "d"(msr_values[m][1]));
  }
}

const char* registers_wrong(void) {
  store_sse();
  for (int r = 0; r < SSE_REGISTERS; r++) {
    for (int i = 0; i < 4; i++) {
      if (found[r][i] != filled[r][i]) return "sse";
    }
  }
  for (int m = 0; m < MSRS; m++) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr_numbers[m]));
    if (low != msr_values[m][0] || high != msr_values[m][1]) return "msr";
  }
  return 0;
}
