#define _GNU_SOURCE
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../choose.h"
#include "../lines.h"
#include "../page.h"
#include "../words.h"
#include "records.h"

enum { PATH_BYTES = 128, READERS_MAX = 64, DEVICE_WAIT_SECONDS = 20, CHECKER_PAUSE_NS = 1000000 };
#define NO_RUN 0xffffffffu

/* A run of blocks in memory. The lock is held while a read is in flight; the checker passes over such a slot. */
struct slot {
  pthread_mutex_t lock;
  uint32_t first; /* block, or NO_RUN */
  uint32_t* memory;
};

static struct {
  int fd;
  int direct;
  int records;
  uint32_t blocks; /* of the disk */
  uint32_t run;
  uint32_t slots;
  struct slot* slot;
  void (*print)(const char* line, int length);
  atomic_uint next_slot;
  atomic_uint bad;
  atomic_ullong read;
  atomic_ullong checked;
} disk = {.fd = -1};

static void report(const char* what, uint32_t block, const struct page_fault* fault) {
  char line[LINE_BYTES];
  if (atomic_fetch_add(&disk.bad, 1) < BAD_LINES_MAX) disk.print(line, line_bad(line, what, block, 0, fault));
}

/* Checks a run of blocks that lies at `memory`. */
static void check(const char* what, const uint32_t* memory, uint32_t first) {
  struct page_fault fault;
  for (uint32_t i = 0; i < disk.run; i++) {
    if (page_verify_full(memory + (size_t)i * PAGE_WORDS, first + i, 0, &fault)) report(what, first + i, &fault);
  }
}

/* Reads a run; a read that fails is a block that is wrong, with errno as what it holds. */
static int fetch(uint32_t* memory, uint32_t first) {
  size_t wanted = (size_t)disk.run * PAGE_BYTES;
  ssize_t got = pread(disk.fd, memory, wanted, (off_t)first * PAGE_BYTES);
  if (got == (ssize_t)wanted) return 0;
  struct page_fault fault = {0, 0, got < 0 ? (uint32_t)errno : (uint32_t)got};
  report("read", first, &fault);
  return -1;
}

static void* read_runs(void* seed) {
  struct chooser chooser;
  chooser_start(&chooser, PATTERN_RANDOM, disk.blocks / disk.run);
  chooser.random ^= (uint32_t)(uintptr_t)seed * PAGE_INDEX_FACTOR;
  for (;;) {
    struct slot* slot = &disk.slot[atomic_fetch_add(&disk.next_slot, 1) % disk.slots];
    pthread_mutex_lock(&slot->lock);
    uint32_t first = chooser_next(&chooser) * disk.run;
    size_t bytes = (size_t)disk.run * PAGE_BYTES;
    if (!disk.direct && slot->first != NO_RUN) {
      posix_fadvise(disk.fd, (off_t)slot->first * PAGE_BYTES, (off_t)bytes, POSIX_FADV_DONTNEED);
    }
    slot->first = NO_RUN;
    if (fetch(slot->memory, first) == 0) {
      check("block", slot->memory, first);
      slot->first = first;
      atomic_fetch_add(&disk.read, disk.run);
    }
    pthread_mutex_unlock(&slot->lock);
  }
  return NULL;
}

static void* check_window(void* scratch) {
  struct timespec pause = {.tv_nsec = CHECKER_PAUSE_NS};
  for (uint32_t i = 0;; i = i + 1 == disk.slots ? 0 : i + 1) {
    struct slot* slot = &disk.slot[i];
    if (pthread_mutex_trylock(&slot->lock) == 0) {
      if (slot->first != NO_RUN) {
        uint32_t* memory = disk.direct ? slot->memory : scratch;
        if (disk.direct || fetch(memory, slot->first) == 0) check("kept", memory, slot->first);
        atomic_fetch_add(&disk.checked, disk.run);
      }
      pthread_mutex_unlock(&slot->lock);
    }
    nanosleep(&pause, NULL);
  }
  return NULL;
}

static int start_thread(void* (*body)(void*), void* argument) {
  pthread_t thread;
  return pthread_create(&thread, NULL, body, argument);
}

/* Devices appear a moment after their module is loaded. */
static int open_device(const char* path, int flags) {
  struct timespec pause = {.tv_nsec = 10000000};
  for (int tries = 0; tries < DEVICE_WAIT_SECONDS * 100; tries++) {
    int fd = open(path, flags);
    if (fd >= 0 || errno != ENOENT) return fd;
    nanosleep(&pause, NULL);
  }
  return -1;
}

static const char* read_number(const char* line, const char* name, uint32_t low, uint32_t high, uint32_t* out) {
  const char* value = word_value(line, name);
  return value && (word_number(value, out) || *out < low || *out > high) ? name : NULL;
}

static const char* open_disk(const char* line, const char* path_word) {
  char path[PATH_BYTES];
  size_t length = 0;
  while (!word_ends(path_word[length]) && length < PATH_BYTES - 1) length++;
  memcpy(path, path_word, length);
  path[length] = 0;

  const char* mode = word_value(line, "mode");
  if (!mode || word_is(mode, "buffered")) {
    disk.direct = 0;
  } else if (word_is(mode, "direct")) {
    disk.direct = 1;
  } else if (word_is(mode, "records")) {
    disk.records = 1;
  } else {
    return "has a mode that is none of buffered, direct and records";
  }
  int flags = disk.records ? O_RDWR | O_DIRECT | O_DSYNC : disk.direct ? O_DIRECT : 0;
  disk.fd = open_device(path, O_RDONLY | O_CLOEXEC | flags);
  if (disk.fd < 0) return "cannot be opened";
  off_t bytes = lseek(disk.fd, 0, SEEK_END);
  if (bytes < (off_t)disk.run * PAGE_BYTES) return "is smaller than one run of blocks";
  if (bytes / PAGE_BYTES >= NO_RUN) return "is larger than 16 TiB";
  disk.blocks = (uint32_t)(bytes / PAGE_BYTES);
  /* Without read-ahead a run is one request, and what is in the page cache is what was asked for. */
  posix_fadvise(disk.fd, 0, 0, POSIX_FADV_RANDOM);
  return NULL;
}

const char* disk_start(const char* command_line, void (*print)(const char* line, int length)) {
  uint32_t window = 4096, readers = 4;
  const char* path = word_value(command_line, "disk");
  if (!path) return NULL;
  disk.run = 16;
  disk.print = print;
  if (read_number(command_line, "disk-run", 1, 256, &disk.run) ||
      read_number(command_line, "disk-window", disk.run, 1 << 24, &window) ||
      read_number(command_line, "disk-readers", 1, READERS_MAX, &readers)) {
    return "has a disk-run, disk-window or disk-readers that cannot be read";
  }
  const char* why = open_disk(command_line, path);
  if (why) return why;

  if (disk.records) {
    uint32_t count = window;
    if (count > disk.blocks) return "has fewer blocks than its disk-window";
    return records_start(disk.fd, count, print);
  }
  disk.slots = window / disk.run;
  /* Otherwise every slot may have a read in flight whenever the checker comes by. */
  if (disk.slots < 2 * readers) return "has a disk-window of fewer than two runs for each reader";
  size_t bytes = (size_t)disk.run * PAGE_BYTES;
  /* One more run than slots: the checker's scratch. */
  char* memory =
      mmap(NULL, (disk.slots + 1) * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  disk.slot = calloc(disk.slots, sizeof *disk.slot);
  if (memory == MAP_FAILED || !disk.slot) return "has a window larger than this guest's memory";
  for (uint32_t i = 0; i < disk.slots; i++) {
    disk.slot[i] = (struct slot){PTHREAD_MUTEX_INITIALIZER, NO_RUN, (uint32_t*)(memory + i * bytes)};
  }
  for (uint32_t i = 0; i < readers; i++) {
    if (start_thread(read_runs, (void*)(uintptr_t)(i + 1))) return "has more readers than can be started";
  }
  if (start_thread(check_window, memory + disk.slots * bytes)) return "cannot be checked: no thread";
  return NULL;
}

int disk_is_on(void) { return disk.slot != NULL || disk.records; }
uint64_t disk_blocks_read(void) { return atomic_load(&disk.read) + records_written(); }
uint64_t disk_blocks_checked(void) { return atomic_load(&disk.checked) + records_checked(); }
uint32_t disk_bad(void) { return atomic_load(&disk.bad) + records_bad(); }
