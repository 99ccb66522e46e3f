/*
 * The guest that checks what a look at memory cannot see: that timer interrupts keep coming, that time never goes back,
 * that registers keep their values, that input which waits in the serial port is still there, that an interrupt which
 * was pending is delivered. Words of the command line:
 *
 *   check=run       (unless told) ticks for ever and checks registers and time at each
 *   check=input     reads nothing for half a second after the first byte came, then prints all that waits
 *   check=pending   lets the timer's interrupt become pending, waits half a second with interrupts off, then takes it
 *   check=fault     runs into a triple fault
 *   check=exit      writes 21 to the debug-exit port
 *
 * Lines: `STATE` at the start; `T <ticks>` in hex each 64th tick; `DATA` and later `INPUT <text>`; `PENDING` and later
 * `DELIVERED` or `LATE`; `BAD <what>` once for whatever is wrong.
 */
#include <stdint.h>

#include "../bare/clock.h"
#include "../bare/entry.h"
#include "../bare/interrupts.h"
#include "../bare/ports.h"
#include "../bare/serial.h"
#include "../lines.h"
#include "../words.h"
#include "registers.h"

enum {
  TICK_US = 1000,
  TICKS_PER_LINE = 64,
  QUIET_US = 500000,
  LINE_STATUS = 0x3fd,
  DATA_READY = 1,
  PIT_CHANNEL_0 = 0x40,
  PIT_COMMAND = 0x43,
  DEBUG_EXIT = 0xf4,
};

void guest_exception(void) { serial_write("BAD exception\n", 14); }

static void say(const char* word) {
  char line[LINE_BYTES];
  char* at = line_text(line, word);
  *at++ = '\n';
  serial_write(line, (int)(at - line));
}

static void bad(const char* what) {
  static int said;
  char line[LINE_BYTES];
  if (said++) return;
  char* at = line_text(line_text(line, "BAD "), what);
  *at++ = '\n';
  serial_write(line, (int)(at - line));
}

/* Checks that time goes forward, and says what it is. */
static uint64_t now(void) {
  static uint64_t last;
  uint64_t time = tsc();
  if (time < last) bad("time");
  return last = time;
}

static void wait(uint32_t us) {
  uint64_t end = now() + clock_cycles(us);
  while (now() < end) {
  }
}

static void check_run(void) {
  uint32_t ticks = 0;
  for (;;) {
    now();
    /* Returns with the timer's interrupt. It may come early once after a hop: KVM starts a one-shot anew. */
    clock_halt(clock_cycles(TICK_US));
    const char* wrong = registers_wrong();
    if (wrong) bad(wrong);
    if (++ticks % TICKS_PER_LINE) continue;
    char line[LINE_BYTES];
    char* at = line_hex(line_text(line, "T "), 0, ticks);
    *at++ = '\n';
    serial_write(line, (int)(at - line));
  }
}

static void check_input(void) {
  char line[LINE_BYTES];
  while (!(in8(LINE_STATUS) & DATA_READY)) relax();
  say("DATA");
  wait(QUIET_US);
  char* at = line_text(line, "INPUT ");
  for (int key = serial_read(); key >= 0; key = serial_read()) *at++ = (char)key;
  *at++ = '\n';
  serial_write(line, (int)(at - line));
}

static void check_pending(void) {
  /* One shot of 1 ms, which passes while interrupts are off. */
  out8(PIT_COMMAND, 0x30);
  out8(PIT_CHANNEL_0, (uint8_t)1193);
  out8(PIT_CHANNEL_0, (uint8_t)(1193 >> 8));
  wait(10 * TICK_US);
  say("PENDING");
  wait(QUIET_US);
  uint64_t before = now();
  wait_for_timer(0);
  say(now() - before < clock_cycles(QUIET_US) ? "DELIVERED" : "LATE");
}

static void check_fault(void) {
  static const struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } no_table = {0, 0};
  __asm__ volatile("lidt %0\n\tint3" ::"m"(no_table));
}

void guest_main(const struct start_info* info) {
  serial_start();
  if (info->magic != START_INFO_MAGIC) return;
  const char* check = word_value((const char*)(uintptr_t)info->command_line, "check");
  registers_fill();
  if (clock_start() == 0 || !clock_can_halt()) bad("clock");
  serial_set_patience((uint32_t)clock_cycles(2000));
  say("STATE");
  if (check && word_is(check, "input")) check_input();
  if (check && word_is(check, "pending")) check_pending();
  if (check && word_is(check, "fault")) check_fault();
  if (check && word_is(check, "exit")) out8(DEBUG_EXIT, 21);
  check_run();
}
