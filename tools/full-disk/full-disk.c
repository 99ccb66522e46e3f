/*
 * A disk that can be full at any moment, as the process that preloads this sees
 * it. While the file `$DROVER_TEST_FULL_DISK.full` is there, every write to a
 * file below the directory `$DROVER_TEST_FULL_DISK` fails with ENOSPC, also
 * where the file has room already. Child processes do not inherit it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char directory[4096];
static char flag[4096 + 8];

__attribute__((constructor)) static void read_environment(void) {
  const char *given = getenv("DROVER_TEST_FULL_DISK");
  if (given && strlen(given) + 1 < sizeof directory) {
    snprintf(directory, sizeof directory, "%s/", given);
    snprintf(flag, sizeof flag, "%s.full", given);
  }
  /* What starts the process, ip netns exec for instance, hands it on. */
  if (strcmp(program_invocation_short_name, "node") == 0)
    unsetenv("LD_PRELOAD");
}

static bool is_full(int fd) {
  const int saved = errno;
  bool full = false;
  if (*flag && access(flag, F_OK) == 0) {
    char link[64], target[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, target, sizeof target);
    const size_t prefix = strlen(directory);
    full = length > (ssize_t)prefix && memcmp(target, directory, prefix) == 0;
  }
  errno = full ? ENOSPC : saved;
  return full;
}

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t size) {
  return is_full(fd) ? -1 : NEXT(write)(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  return is_full(fd) ? -1 : NEXT(writev)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
  return is_full(fd) ? -1 : NEXT(pwrite)(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
  return is_full(fd) ? -1 : NEXT(pwrite64)(fd, bytes, size, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return is_full(fd) ? -1 : NEXT(pwritev)(fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count,
                  off64_t offset) {
  return is_full(fd) ? -1 : NEXT(pwritev64)(fd, parts, count, offset);
}
