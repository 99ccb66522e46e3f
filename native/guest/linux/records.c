#define _GNU_SOURCE
#include "records.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../choose.h"
#include "../lines.h"
#include "../page.h"

static struct {
  int fd;
  uint32_t count;
  uint32_t* counter; /* what each block must hold */
  uint32_t* page;    /* one block, aligned for O_DIRECT */
  void (*print)(const char* line, int length);
  atomic_uint bad;
  atomic_ullong written;
  atomic_ullong checked;
} records;

static void report(const char* what, uint32_t block, const struct page_fault* fault) {
  char line[LINE_BYTES];
  if (atomic_fetch_add(&records.bad, 1) < BAD_LINES_MAX)
    records.print(line, line_bad(line, what, block, records.counter[block], fault));
}

/* True when all of the block went; a transfer that fails is a block that is wrong, with errno as what it holds. */
static int whole(const char* what, uint32_t block, ssize_t got) {
  if (got == PAGE_BYTES) return 1;
  struct page_fault fault = {0, 0, got < 0 ? (uint32_t)errno : (uint32_t)got};
  report(what, block, &fault);
  return 0;
}

static void write_record(uint32_t block) {
  page_fill(records.page, block, records.counter[block] + 1);
  if (!whole("write", block, pwrite(records.fd, records.page, PAGE_BYTES, (off_t)block * PAGE_BYTES))) return;
  records.counter[block]++;
  atomic_fetch_add(&records.written, 1);
}

static void check_record(uint32_t block) {
  struct page_fault fault;
  if (!whole("read", block, pread(records.fd, records.page, PAGE_BYTES, (off_t)block * PAGE_BYTES))) return;
  if (page_verify_full(records.page, block, records.counter[block], &fault)) report("record", block, &fault);
  atomic_fetch_add(&records.checked, 1);
}

static void* keep_records(void* unused) {
  (void)unused;
  struct chooser chooser;
  chooser_start(&chooser, PATTERN_RANDOM, records.count);
  for (uint32_t block = 0; block < records.count; block++) write_record(block);
  for (;;) {
    uint32_t block = chooser_next(&chooser);
    check_record(block);
    write_record(block);
  }
  return NULL;
}

const char* records_start(int fd, uint32_t count, void (*print)(const char* line, int length)) {
  pthread_t thread;
  records.fd = fd;
  records.count = count;
  records.print = print;
  records.counter = calloc(count, sizeof *records.counter);
  records.page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (!records.counter || (void*)records.page == MAP_FAILED) return "has more records than this guest has memory for";
  return pthread_create(&thread, NULL, keep_records, NULL) ? "cannot be written: no thread" : NULL;
}

uint64_t records_written(void) { return atomic_load(&records.written); }
uint64_t records_checked(void) { return atomic_load(&records.checked); }
uint32_t records_bad(void) { return atomic_load(&records.bad); }
