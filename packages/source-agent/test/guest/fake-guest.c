/*
 * A guest for tests without a hypervisor: a process that maps shared memory, writes it page after page, and knows of every page
 * which write it must carry. Its "device state" is how many writes it has done, so that a copy that goes on from another
 * moment than its memory finds pages that are wrong (R3).
 *
 * fake-guest FD SIZE PAGES RATE: the first PAGES pages of the mapping are written round robin, RATE a second. Commands come one a
 * line on standard input; each is answered by one line. The end of input ends it.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 512, STATE_BYTES = 200000 };

static uint64_t *memory;
static uint64_t pages, rate, writes;
static int running, stopping;
static pthread_t writer;

static uint64_t word(uint64_t page, uint64_t turn, unsigned i) {
  uint64_t x = page * 0x9e3779b97f4a7c15u + turn * 0xbf58476d1ce4e5b9u + i;
  x ^= x >> 31;
  return (x * 0x94d049bb133111ebu) | 1;
}

/* How often `page` was written after `writes` writes. */
static uint64_t turns(uint64_t page) { return writes / pages + (page < writes % pages); }

static void write_page(uint64_t page, uint64_t turn) {
  uint64_t *at = memory + page * WORDS;
  for (unsigned i = 0; i < WORDS; i++) at[i] = word(page, turn, i);
}

static uint64_t bad_pages(void) {
  uint64_t bad = 0;
  for (uint64_t page = 0; page < pages; page++) {
    uint64_t turn = turns(page), wrong = 0;
    for (unsigned i = 0; i < WORDS; i++) wrong |= memory[page * WORDS + i] != (turn ? word(page, turn, i) : 0);
    bad += wrong != 0;
  }
  return bad;
}

static uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void *write_for_ever(void *unused) {
  uint64_t start = now_us(), done = 0;
  while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
    uint64_t due = (now_us() - start) * rate / 1000000;
    for (; done < due && !__atomic_load_n(&stopping, __ATOMIC_ACQUIRE); done++) {
      uint64_t page = writes % pages;
      write_page(page, turns(page) + 1);
      writes++;
    }
    usleep(500);
  }
  return unused;
}

static void run(void) {
  if (running || pages == 0) return;
  stopping = 0;
  running = pthread_create(&writer, NULL, write_for_ever, NULL) == 0;
}

static void halt(void) {
  if (!running) return;
  __atomic_store_n(&stopping, 1, __ATOMIC_RELEASE);
  pthread_join(writer, NULL);
  running = 0;
}

static struct sockaddr_un address(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof a.sun_path) exit(3);
  strcpy(a.sun_path, path);
  return a;
}

static const char *save(const char *path) {
  static char state[STATE_BYTES];
  struct sockaddr_un a = address(path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  size_t sent = 0;
  memcpy(state, &writes, sizeof writes);
  if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) return "error connect";
  while (sent < sizeof state) {
    ssize_t n = send(fd, state + sent, sizeof state - sent, MSG_NOSIGNAL);
    if (n <= 0) return close(fd), "error send";
    sent += (size_t)n;
  }
  close(fd);
  return "ok";
}

static void load(const char *path) {
  static char state[STATE_BYTES];
  struct sockaddr_un a = address(path);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
  size_t got = 0;
  ssize_t n;
  if (bind(listener, (struct sockaddr *)&a, sizeof a) != 0 || listen(listener, 1) != 0) {
    puts("error listen");
    return;
  }
  puts("ok");
  fflush(stdout);
  fd = accept(listener, NULL, NULL);
  while (got < sizeof state && (n = read(fd, state + got, sizeof state - got)) > 0) got += (size_t)n;
  memcpy(&writes, state, sizeof writes);
  close(fd);
  close(listener);
  unlink(path);
  puts(got == sizeof state ? "loaded" : "error short state");
}

int main(int argc, char **argv) {
  char line[512];
  size_t size;
  if (argc != 5) return 2;
  size = strtoull(argv[2], NULL, 10);
  pages = strtoull(argv[3], NULL, 10);
  rate = strtoull(argv[4], NULL, 10);
  if (size > 0) memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
  if (memory == MAP_FAILED) return 1;
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    if (strcmp(line, "run") == 0) run(), puts("ok");
    else if (strcmp(line, "pause") == 0) halt(), puts("ok");
    else if (strcmp(line, "check") == 0) printf("bad %llu writes %llu\n", (unsigned long long)bad_pages(), (unsigned long long)writes);
    else if (strncmp(line, "save ", 5) == 0) puts(save(line + 5));
    else if (strncmp(line, "load ", 5) == 0) load(line + 5);
    else puts("error unknown command");
    fflush(stdout);
  }
  return 0;
}
