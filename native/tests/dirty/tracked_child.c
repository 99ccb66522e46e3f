// A stand-in for a VMM: maps the descriptor at number 3 shared and writes pages of it on command. Never sanitized,
// because the shim is preloaded into it. Commands on stdin, one a line; each is answered with one line on stdout:
//   w <page> <value>   writes 8 bytes at the start of the page        -> ok
//   s <page> <pages>   splits the mapping by changing its protection  -> ok
//   u <page>           unmaps that page                               -> ok
//   m                  maps the whole file a second time              -> ok
//   x <page> <value>   writes through the second mapping              -> ok
//   e                  prints LD_PRELOAD and DROVER_SHIM_SOCKET       -> <value>|<value>
//   g <n>              takes n pieces of 64 KiB from the heap, untouched -> ok
//   a <n>              writes pages 0..n-1 again and again from a thread until the next command
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PAGE = 4096, MEMORY_FD = 3 };
static uint8_t *memory, *again;
static atomic_bool running;
static unsigned long busy_pages;
static void* volatile kept[64];

static void put(uint8_t* base, unsigned long page, unsigned long long value) {
  __atomic_store_n((unsigned long long*)(base + page * PAGE), value, __ATOMIC_SEQ_CST);
}

static void* write_on(void* unused) {
  (void)unused;
  for (unsigned long long value = 1; running; ++value) put(memory, value % busy_pages, value);
  return NULL;
}

int main(void) {
  struct stat status;
  if (fstat(MEMORY_FD, &status) != 0) return 1;
  const size_t size = (size_t)status.st_size;
  memory = mmap(NULL, size ? size : PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, MEMORY_FD, 0);
  if (memory == MAP_FAILED) return 2;
  puts("ready");
  fflush(stdout);
  pthread_t writer;
  char line[128];
  while (fgets(line, sizeof line, stdin) != NULL) {
    unsigned long page = 0;
    unsigned long long value = 0;
    if (running) {
      running = 0;
      pthread_join(writer, NULL);
    }
    sscanf(line + 1, "%lu %llu", &page, &value);
    switch (line[0]) {
      case 'w': put(memory, page, value); break;
      case 'x': put(again, page, value); break;
      case 's': mprotect(memory + page * PAGE, value * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC); break;
      case 'u': munmap(memory + page * PAGE, PAGE); break;
      case 'm': again = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, MEMORY_FD, 0); break;
      case 'g':
        for (; page > 0; page--) kept[page % 64] = malloc(64 * 1024);
        break;
      case 'a':
        busy_pages = page;
        running = 1;
        pthread_create(&writer, NULL, write_on, NULL);
        break;
      case 'e': {
        const char *preload = getenv("LD_PRELOAD"), *socket = getenv("DROVER_SHIM_SOCKET");
        printf("%s|%s\n", preload ? preload : "", socket ? socket : "");
        fflush(stdout);
        continue;
      }
      default: return 3;
    }
    puts("ok");
    fflush(stdout);
  }
  return 0;
}
