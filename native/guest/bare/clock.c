#include "clock.h"

#include "interrupts.h"
#include "ports.h"

/* Intel 8254: channel 0, whose gate is always open and whose output is IRQ 0. Channel 2 would need port 0x61, which the
 * microvm machine lacks. */
enum {
  PIT_CHANNEL_0 = 0x40,
  PIT_COMMAND = 0x43,
  PIT_ONE_SHOT = 0x30, /* channel 0, low then high byte, mode 0: interrupt on terminal count */
  PIT_LATCH = 0x00,    /* channel 0 */
  PIT_HZ = 1193182,
  CALIBRATION_TICKS = 59659, /* 50 ms */
  LONGEST_HALT_US = 50000,
  /* Enough turns for a millisecond to pass on any processor; an emulated one needs a second for them, once. */
  PROBE_SPINS = 3000000,
};

static uint32_t khz;
static int timer_interrupts;

static void pit_start(uint32_t ticks) {
  out8(PIT_COMMAND, PIT_ONE_SHOT);
  out8(PIT_CHANNEL_0, (uint8_t)ticks);
  out8(PIT_CHANNEL_0, (uint8_t)(ticks >> 8));
}

static uint32_t pit_read(void) {
  out8(PIT_COMMAND, PIT_LATCH);
  uint32_t low = in8(PIT_CHANNEL_0);
  return low | (uint32_t)in8(PIT_CHANNEL_0) << 8;
}

/* a * b / c where the quotient fits 32 bits; one `mul` and one `div`, since there is no library for 64-bit division. */
static uint32_t scale(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t low, high, quotient, rest;
  __asm__("mull %3" : "=a"(low), "=d"(high) : "a"(a), "r"(b));
  __asm__("divl %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), "r"(c));
  return quotient;
}

static uint32_t measure(void) {
  pit_start(0xffff);
  uint32_t first = pit_read();
  uint64_t start = tsc();
  for (uint32_t reads = 0; reads < 1000000; reads++) {
    uint32_t count = pit_read();
    uint64_t now = tsc();
    /* The count wraps past zero only after 54.9 ms; a value above the first one means that this read came too late. */
    if (count > first) return 0;
    if (first - count < CALIBRATION_TICKS) continue;
    uint64_t cycles = now - start;
    if (cycles >> 32) return 0;
    return scale((uint32_t)cycles, PIT_HZ, (first - count) * 1000);
  }
  return 0;
}

uint32_t clock_start(void) {
  /* A host that took the processor away in the middle spoils a measurement: try again. */
  for (int attempt = 0; attempt < 10 && khz == 0; attempt++) khz = measure();
  if (khz == 0) return 0;
  interrupts_start();
  pit_start(1193);
  timer_interrupts = wait_for_timer(PROBE_SPINS);
  return khz;
}

int clock_can_halt(void) { return timer_interrupts; }

void clock_halt(uint64_t cycles) {
  uint32_t longest = khz * (LONGEST_HALT_US / 1000);
  uint32_t ticks = scale(cycles < longest ? (uint32_t)cycles : longest, PIT_HZ / 1000, khz);
  pit_start(ticks < 2 ? 2 : ticks);
  wait_for_timer(0);
}

uint64_t clock_cycles(uint32_t us) {
  uint64_t whole = (uint64_t)khz * (us / 1000);
  return whole + scale(khz, us % 1000, 1000);
}
