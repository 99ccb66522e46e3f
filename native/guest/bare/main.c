/*
 * The bare-metal guest: no operating system, one processor, all of its time spent on writing pages and checking them.
 *
 * Memory:
 *    1 MiB   code, data and stack
 *    4 MiB   the table of counters: 12 MiB, enough for 3 Mi pages
 *   16 MiB   the working set
 *
 * Everything here must run under KVM where KVM emulates each instruction (0.4 µs each): integer code only, no `iret`,
 * and as few instructions a page as can be.
 */
#include <stdint.h>

#include "../deadline.h"
#include "../lines.h"
#include "../words.h"
#include "../workset.h"
#include "clock.h"
#include "entry.h"
#include "ports.h"
#include "serial.h"

enum {
  COUNTERS_ADDRESS = 4 << 20,
  WORKSET_ADDRESS = 16 << 20,
  COUNTERS_MAX = (WORKSET_ADDRESS - COUNTERS_ADDRESS) / 4,
  COMMAND_LINE_BYTES = 2048,
  /* Shorter waits are spun away: programming the timer takes about as long. */
  SHORTEST_HALT_US = 100,
  SERIAL_PATIENCE_US = 2000,
  /* Pages verified at a go, between two looks at the clock, when the whole working set is asked for. */
  PAGES_PER_ANSWER = 4,
};

static char command_line[COMMAND_LINE_BYTES];
static struct workset workset = {.print = serial_write};

void guest_exception(void) { serial_write("DROVER-GUEST exception\n", 23); }

static void refuse(const char* word, const char* why) {
  char line[LINE_BYTES];
  serial_write(line, line_refusal(line, word, why));
}

/* Pages of RAM from WORKSET_ADDRESS up, below 4 GiB; without a memory map nothing is known and nothing is promised. */
static uint32_t pages_of_memory(const struct start_info* info) {
  if (info->version < 1) return 0;
  const struct memory_map_entry* map = (const struct memory_map_entry*)(uintptr_t)info->memory_map;
  for (uint32_t i = 0; i < info->memory_map_entries; i++) {
    uint64_t end = map[i].address + map[i].bytes;
    if (map[i].type != MEMORY_TYPE_RAM || map[i].address > WORKSET_ADDRESS || end <= WORKSET_ADDRESS) continue;
    uint64_t bytes = end - WORKSET_ADDRESS;
    return bytes >> 32 ? 0xfffff : (uint32_t)bytes / PAGE_BYTES;
  }
  return 0;
}

static int read_settings(const struct start_info* info, struct settings* settings) {
  const char* line = (const char*)(uintptr_t)info->command_line;
  for (int i = 0; line && line[i] && i < COMMAND_LINE_BYTES - 1; i++) command_line[i] = line[i];
  const char* wrong = settings_read(command_line, settings);
  if (wrong) {
    refuse(wrong, "has a value that cannot be read");
    return -1;
  }
  if (settings->pages > COUNTERS_MAX || settings->pages > pages_of_memory(info)) {
    refuse("pages", "is more than the memory above 16 MiB holds");
    return -1;
  }
  return 0;
}

static uint64_t cycles_per_write(uint32_t rate) {
  uint64_t second = clock_cycles(1000000);
  uint32_t high = (uint32_t)(second >> 32), low = (uint32_t)second, rest = high % rate, quotient;
  __asm__("divl %2" : "=a"(quotient), "+d"(rest) : "r"(rate), "a"(low));
  return (uint64_t)(high / rate) << 32 | quotient;
}

static void beat(const struct settings* settings, uint64_t* counter) {
  char line[LINE_BYTES];
  *counter += 1;
  serial_write(line, line_beat(line, *counter, workset.writes, workset.bad));
  for (uint32_t i = 0; i < settings->verify; i++) workset_patrol(&workset);
  int key = serial_read();
  if (key == 'v') workset_ask(&workset);
}

static void idle(const struct settings* settings, uint64_t until) {
  int64_t left = (int64_t)(until - tsc());
  if (!settings->spin && left > (int64_t)clock_cycles(SHORTEST_HALT_US)) {
    clock_halt((uint64_t)left);
  } else {
    relax();
  }
}

static void __attribute__((noreturn)) run(const struct settings* settings) {
  uint64_t counter = 0, start = tsc();
  int writes = settings->pages != 0 && settings->rate != 0;
  int unpaced = writes && settings->rate == RATE_MAX;
  int paced = writes && !unpaced;
  /* A beat that is late is not made up for, but a little lateness must not shift all that follow. */
  uint64_t beat_cycles = clock_cycles(settings->beat_us);
  struct deadline next_beat = {start, beat_cycles, beat_cycles / 2};
  struct deadline next_write = {start, paced ? cycles_per_write(settings->rate) : 0, clock_cycles(CATCH_UP_US)};
  /* Writes that come more often than beats wait for the beat and are made up for at once: each wait costs exits. */
  int writes_wake = paced && next_write.period > next_beat.period;
  for (;;) {
    uint64_t now = tsc();
    if (deadline_passed(&next_beat, now)) {
      beat(settings, &counter);
    } else if (workset.asking) {
      for (int i = 0; i < PAGES_PER_ANSWER && workset.asking; i++) workset_answer(&workset);
      if (paced && deadline_passed(&next_write, now)) workset_write(&workset);
    } else if (unpaced) {
      workset_write(&workset);
    } else if (paced && deadline_passed(&next_write, now)) {
      workset_write(&workset);
    } else {
      idle(settings, writes_wake && (int64_t)(next_write.next - next_beat.next) < 0 ? next_write.next : next_beat.next);
    }
  }
}

void guest_main(const struct start_info* info) {
  char line[LINE_BYTES];
  struct settings settings = {.pages = 0, .rate = 0, .beat_us = 1000, .verify = 1};
  serial_start();
  if (info->magic != START_INFO_MAGIC) {
    refuse("start", "was not by the PVH protocol");
    return;
  }
  if (read_settings(info, &settings)) return;
  uint32_t khz = clock_start();
  if (khz == 0) {
    refuse("clock", "cannot be measured: no PIT counts at port 0x40");
    return;
  }
  if (!clock_can_halt()) settings.spin = 1;
  serial_set_patience((uint32_t)clock_cycles(SERIAL_PATIENCE_US));
  serial_write(line, line_hello(line, &settings, khz));
  workset.memory = (volatile uint32_t*)WORKSET_ADDRESS;
  workset.counters = (volatile uint32_t*)COUNTERS_ADDRESS;
  workset_start(&workset, &settings);
  for (uint32_t index = 0; index < settings.pages; index++) workset_fill(&workset, index);
  serial_write("READY\n", 6);
  run(&settings);
}
