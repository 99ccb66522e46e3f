// The shim: preloaded into a VMM, it hands out a fresh userfaultfd of that process on every connection to a unix
// socket, so that an agent can track the VMM's memory from outside, and can do so again after a restart. See SPEC.md.
//
// It is a guest in somebody else's process: it must never end, block or slow it. Every error is one line on stderr and
// the end of the shim alone; its thread has all signals blocked, so none of the VMM's handlers ever runs on it.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char kSuccess = 'U';

#ifndef MADV_POPULATE_WRITE  // Linux 5.14
#define MADV_POPULATE_WRITE 23
#endif

// Of the VMM's heap, at most; a stock VMM has some ten MiB, most of it never touched.
enum { kPopulatedHeapBytes = 16 << 20 };

// Never waits for whoever reads stderr, and never raises SIGPIPE there: the caller has it blocked and takes it back.
static void report(const char* what, int error) {
  char line[256];
  const int length = error != 0 ? snprintf(line, sizeof line, "drover-shim: %s: %s; this VMM cannot be tracked\n", what,
                                           strerrordesc_np(error))
                                : snprintf(line, sizeof line, "drover-shim: %s; this VMM cannot be tracked\n", what);
  struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (length <= 0 || poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0) return;
  if (write(STDERR_FILENO, line, (size_t)length) < 0 && errno == EPIPE) {
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    const struct timespec now = {0, 0};
    (void)sigtimedwait(&broken_pipe, NULL, &now);
  }
}

static int peer_may_track(int connection) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return 0;
  return peer.uid == 0 || peer.uid == geteuid();
}

// One byte, and a descriptor where there is one. A peer that is gone or does not read is its own loss.
static void answer(int connection, char byte, int descriptor) {
  struct iovec data = {.iov_base = &byte, .iov_len = 1};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (descriptor >= 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
  }
  (void)sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// Whoever connects is about to move the VMM. Loading or saving its device state takes hundreds of heap pages that were
// never touched, each a page fault while the guest stands still: they are populated here, ahead and off the VMM's own
// threads. Contents do not change. Where it fails only time is lost.
static void populate_heap(void) {
  // No stdio: it would give this thread a heap of its own. The heap's line is among the first.
  char text[4096];
  const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return;
  const ssize_t length = read(maps, text, sizeof text - 1);
  close(maps);
  if (length <= 0) return;
  text[length] = '\0';
  char* line = strstr(text, "[heap]");
  if (line == NULL) return;
  while (line > text && line[-1] != '\n') line--;
  uintptr_t start, end;
  if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) != 2) return;
  if (end - start > kPopulatedHeapBytes) start = end - kPopulatedHeapBytes;
  (void)madvise((void*)start, end - start, MADV_POPULATE_WRITE);
}

static void serve(int connection) {
  if (peer_may_track(connection)) {
    const int userfault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    answer(connection, userfault >= 0 ? kSuccess : (char)errno, userfault);
    if (userfault >= 0) close(userfault);
    close(connection);
    populate_heap();
    return;
  }
  close(connection);
}

static void* serve_all(void* argument) {
  const int listener = (int)(intptr_t)argument;
  for (;;) {
    const int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection >= 0) {
      serve(connection);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      // The VMM is short of descriptors or memory for now: that passes.
      const struct timespec pause = {0, 100 * 1000 * 1000};
      (void)nanosleep(&pause, NULL);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      report("accept", errno);
      close(listener);
      return NULL;
    }
  }
}

static int listen_at(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path) {
    report("DROVER_SHIM_SOCKET must be a path of 1 to 107 bytes", 0);
    return -1;
  }
  memcpy(address.sun_path, path, strlen(path));
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) {
    report("socket", errno);
    return -1;
  }
  // bind gives the socket's file the mode that the descriptor has: no moment at which others could connect, and the
  // process's umask stays alone.
  if (fchmod(listener, S_IRUSR | S_IWUSR) != 0 ||
      bind(listener, (const struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 8) != 0) {
    report(path, errno);
    close(listener);
    return -1;
  }
  return listener;
}

static void start(const char* path) {
  const int listener = listen_at(path);
  if (listener < 0) return;
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error == 0) {
    pthread_t thread;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    // The default stack size suits a VMM that locks all its memory badly.
    (void)pthread_attr_setstacksize(&attributes, 64 * 1024);
    error = pthread_create(&thread, &attributes, serve_all, (void*)(intptr_t)listener);
    pthread_attr_destroy(&attributes);
  }
  if (error != 0) {
    report("pthread_create", error);
    close(listener);
  }
}

__attribute__((constructor)) static void drover_shim(void) {
  const char* path = getenv("DROVER_SHIM_SOCKET");
  if (path == NULL) return;
  char kept[256];
  const size_t length = strnlen(path, sizeof kept - 1);
  memcpy(kept, path, length);
  kept[length] = '\0';
  // Programs that the VMM starts are not VMMs.
  unsetenv("DROVER_SHIM_SOCKET");
  unsetenv("LD_PRELOAD");

  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the thread
  start(kept);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}
