/*
 * The guest that checks what a look at memory cannot see: that timer interrupts keep coming, that time never goes back,
 * that registers keep their values, that input which waits in the serial port is still there, that an interrupt which
 * was pending is delivered. Words of the command line:
 *
 *   check=run       (unless told) ticks for ever and checks registers and time at each
 *   quiet=MS        how long the next two look away, 500 unless told
 *   check=input     reads nothing for that long after the first byte came, then prints all that waits
 *   check=pending   lets the timer's interrupt become pending, waits with interrupts off, then takes it
 *   check=processors  looks for the machine's processors as an operating system does, and says how many it found
 *   check=emulation runs where no instruction can be fetched from
 *   check=fault     runs into a triple fault
 *   check=exit      writes 21 to the debug-exit port
 *
 * Lines: `STATE` at the start; `T <ticks>` in hex each 64th tick; `DATA` and later `INPUT <text>`; `PENDING` and later
 * `DELIVERED` or `LATE`; `PROCESSORS <n> IOAPICS <n>`; `BAD <what>` once for whatever is wrong.
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
  QUIET_MS = 500,
  LINE_STATUS = 0x3fd,
  DATA_READY = 1,
  PIT_CHANNEL_0 = 0x40,
  PIT_COMMAND = 0x43,
  DEBUG_EXIT = 0xf4,
};

/* How long it does not look at what comes. */
static uint32_t quiet_us = QUIET_MS * 1000;

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
  wait(quiet_us);
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
  wait(quiet_us);
  uint64_t before = now();
  wait_for_timer(0);
  say(now() - before < clock_cycles(quiet_us) ? "DELIVERED" : "LATE");
}

/* Sums up to 0 in 8 bits. */
static int sums_up(const uint8_t* bytes, uint32_t count) {
  uint8_t sum = 0;
  while (count--) sum = (uint8_t)(sum + *bytes++);
  return sum == 0;
}

static int begins_with(const uint8_t* bytes, const char* text) {
  while (*text) {
    if (*bytes++ != (uint8_t)*text++) return 0;
  }
  return 1;
}

/* Looks for the processors as an operating system does: MultiProcessor Specification 1.4, chapter 4. */
static void check_processors(void) {
  char line[LINE_BYTES];
  for (const uint8_t* at = (const uint8_t*)0xf0000; at < (const uint8_t*)0x100000; at += 16) {
    if (!begins_with(at, "_MP_") || !sums_up(at, at[8] * 16u)) continue;
    const uint8_t* table = (const uint8_t*)*(const uint32_t*)(at + 4);
    if (!begins_with(table, "PCMP") || !sums_up(table, *(const uint16_t*)(table + 4))) continue;
    uint32_t processors = 0, io_apics = 0;
    const uint8_t* entry = table + 44;
    for (uint32_t left = *(const uint16_t*)(table + 34); left > 0; left--) {
      if (*entry == 0) processors += entry[3] & 1;
      if (*entry == 2) io_apics += entry[3] & 1;
      entry += *entry == 0 ? 20 : 8;
    }
    char* end = line_decimal(line_text(line, "PROCESSORS "), processors);
    end = line_decimal(line_text(end, " IOAPICS "), io_apics);
    *end++ = '\n';
    serial_write(line, (int)(end - line));
    return;
  }
  bad("processors");
}

static void check_fault(void) {
  static const struct __attribute__((packed)) {
    uint16_t limit;
    uint32_t base;
  } no_table = {0, 0};
  __asm__ volatile("lidt %0\n\tint3" ::"m"(no_table));
}

/* Where there is neither memory nor a device there is no instruction to run either. */
static void check_emulation(void) { __asm__ volatile("jmp *%0" ::"r"(0xd0000000u)); }

void guest_main(const struct start_info* info) {
  serial_start();
  if (info->magic != START_INFO_MAGIC) return;
  const char* check = word_value((const char*)(uintptr_t)info->command_line, "check");
  const char* quiet = word_value((const char*)(uintptr_t)info->command_line, "quiet");
  uint32_t quiet_ms = QUIET_MS;
  if (quiet && (word_number(quiet, &quiet_ms) || quiet_ms > 60000)) bad("quiet");
  quiet_us = quiet_ms * 1000;
  registers_fill();
  if (clock_start() == 0 || !clock_can_halt()) bad("clock");
  serial_set_patience((uint32_t)clock_cycles(2000));
  say("STATE");
  if (check && word_is(check, "input")) check_input();
  if (check && word_is(check, "pending")) check_pending();
  if (check && word_is(check, "processors")) check_processors();
  if (check && word_is(check, "emulation")) check_emulation();
  if (check && word_is(check, "fault")) check_fault();
  if (check && word_is(check, "exit")) out8(DEBUG_EXIT, 21);
  check_run();
}
