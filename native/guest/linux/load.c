/*
 * The Linux guest's load: the bare guest's working set, words and lines, as a program that runs on the guest's console.
 * Beside it, where `disk=` names one, a test disk is read again and again into checked memory (disk.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../deadline.h"
#include "../lines.h"
#include "../words.h"
#include "../workset.h"
#include "disk.h"

enum {
  COMMAND_LINE_BYTES = 4096,
  NANOSECONDS_PER_US = 1000,
  /* Pages verified between two looks at the clock when the whole working set is asked for. */
  PAGES_PER_ANSWER = 16,
  /* Writes between two looks at the clock when they are not paced. */
  WRITES_UNPACED = 16,
  CLOCK_KHZ = 1000000,
};

static struct workset workset;
static int line_is_torn;

static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A console that takes nothing more loses lines; it does not stop the guest. */
static void print(const char* line, int length) {
  if (line_is_torn && write(STDOUT_FILENO, "\n", 1) != 1) return;
  ssize_t written = write(STDOUT_FILENO, line, (size_t)length);
  line_is_torn = written > 0 && written < length;
}

static void refuse(const char* word, const char* why) {
  char line[LINE_BYTES];
  print(line, line_refusal(line, word, why));
  tcdrain(STDOUT_FILENO);
}

/* The console as the bare guest has it: no echo, no line editing, no carriage returns. */
static void start_console(void) {
  struct termios console;
  if (tcgetattr(STDIN_FILENO, &console) == 0) {
    cfmakeraw(&console);
    tcsetattr(STDIN_FILENO, TCSANOW, &console);
  }
  for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int read_command_line(char* line) {
  int fd = open("/proc/cmdline", O_RDONLY);
  if (fd < 0) return -1;
  ssize_t length = read(fd, line, COMMAND_LINE_BYTES - 1);
  close(fd);
  if (length < 0) return -1;
  line[length] = 0;
  return 0;
}

static int start_memory(const struct settings* settings) {
  size_t pages = settings->pages ? settings->pages : 1;
  void* memory = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* counters = mmap(NULL, pages * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || counters == MAP_FAILED) return -1;
  workset.memory = memory;
  workset.counters = counters;
  workset.print = print;
  workset_start(&workset, settings);
  for (uint32_t index = 0; index < settings->pages; index++) workset_fill(&workset, index);
  return 0;
}

static void beat(const struct settings* settings, uint64_t* counter) {
  char line[LINE_BYTES];
  *counter += 1;
  print(line, line_beat(line, *counter, workset.writes, workset.bad + disk_bad()));
  if (*counter % BEATS_PER_FULL_LINE == 0 && disk_is_on()) {
    print(line, line_disk(line, disk_blocks_read(), disk_blocks_checked()));
  }
  for (uint32_t i = 0; i < settings->verify; i++) workset_patrol(&workset);
  char key;
  if (read(STDIN_FILENO, &key, 1) == 1 && key == 'v') workset_ask(&workset);
}

static void sleep_until(uint64_t time) {
  struct timespec until = {.tv_sec = (time_t)(time / 1000000000u), .tv_nsec = (long)(time % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
}

static void run(const struct settings* settings) {
  uint64_t counter = 0, start = nanoseconds();
  int writes = settings->pages != 0 && settings->rate != 0;
  int unpaced = writes && settings->rate == RATE_MAX;
  int paced = writes && !unpaced;
  uint64_t beat_time = (uint64_t)settings->beat_us * NANOSECONDS_PER_US;
  struct deadline next_beat = {start, beat_time, beat_time / 2};
  struct deadline next_write = {start, paced ? 1000000000u / settings->rate : 0, CATCH_UP_US * NANOSECONDS_PER_US};
  for (;;) {
    uint64_t now = nanoseconds();
    if (deadline_passed(&next_beat, now)) {
      beat(settings, &counter);
    } else if (paced && deadline_passed(&next_write, now)) {
      workset_write(&workset);
    } else if (workset.asking) {
      for (int i = 0; i < PAGES_PER_ANSWER && workset.asking; i++) workset_answer(&workset);
    } else if (unpaced) {
      for (int i = 0; i < WRITES_UNPACED; i++) workset_write(&workset);
    } else {
      int write_is_first = paced && next_write.period > next_beat.period && next_write.next < next_beat.next;
      sleep_until(write_is_first ? next_write.next : next_beat.next);
    }
  }
}

int main(void) {
  char command_line[COMMAND_LINE_BYTES], line[LINE_BYTES];
  struct settings settings = {.beat_us = 1000, .verify = 1, .fill = FILL_FULL};
  start_console();
  if (read_command_line(command_line)) {
    refuse("cmdline", "cannot be read from /proc");
    return 1;
  }
  const char* wrong = settings_read(command_line, &settings);
  if (wrong) {
    refuse(wrong, "has a value that cannot be read");
    return 1;
  }
  print(line, line_hello(line, &settings, CLOCK_KHZ));
  if (start_memory(&settings)) {
    refuse("pages", "is more memory than this guest has");
    return 1;
  }
  wrong = disk_start(command_line, print);
  if (wrong) {
    refuse("disk", wrong);
    return 1;
  }
  /* A beat is not to wait for the disk's readers. Without pause it would keep them, and the kernel, from running at
   * all. */
  if (settings.rate != RATE_MAX) {
    struct sched_param first = {.sched_priority = 1};
    sched_setscheduler(0, SCHED_FIFO, &first);
  }
  print("READY\n", 6);
  run(&settings);
}
