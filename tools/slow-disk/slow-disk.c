/*
 * A disk that answers late. Serves one read-only file, `disk`, in a FUSE file system at a mount point:
 *
 *   drover-slow-disk --mount DIR --mib N --delay-ms N
 *
 * Block b of it (4 KiB) is the full page with index b and counter 0 of native/guest/page.h, computed when it is read.
 * With direct I/O, a reader's pages stay pinned from the moment it asks until the answer, `delay-ms` later; the kernel
 * then copies into those pages past the reader's page tables. Prints READY when it serves, and ends, unmounted, on
 * SIGTERM or SIGINT.
 */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse_lowlevel.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../native/guest/page.h"
#include "delay.h"

enum { DISK_INODE = 2, DELAY_MAX_MS = 60000, WAITING_MAX = 1024, MIB_MAX = 1 << 20 };
static const char disk_name[] = "disk";
static const double forever_seconds = 86400;
static uint64_t disk_bytes;

/* The kernel lets few asynchronous requests wait at a time unless told otherwise (12 in Linux 6); here all are to. */
static void start_connection(void* unused, struct fuse_conn_info* connection) {
  (void)unused;
  connection->max_background = WAITING_MAX;
  connection->congestion_threshold = WAITING_MAX;
}

static int attributes(fuse_ino_t inode, struct stat* out) {
  memset(out, 0, sizeof *out);
  out->st_ino = inode;
  if (inode == FUSE_ROOT_ID) {
    out->st_mode = S_IFDIR | 0755;
    out->st_nlink = 2;
  } else if (inode == DISK_INODE) {
    out->st_mode = S_IFREG | 0444;
    out->st_nlink = 1;
    out->st_size = (off_t)disk_bytes;
    out->st_blksize = PAGE_BYTES;
    out->st_blocks = (blkcnt_t)(disk_bytes / 512);
  } else {
    return -1;
  }
  return 0;
}

static void serve_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info* file) {
  struct stat stat;
  (void)file;
  if (attributes(inode, &stat)) {
    fuse_reply_err(request, ENOENT);
  } else {
    fuse_reply_attr(request, &stat, forever_seconds);
  }
}

static void serve_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  struct fuse_entry_param entry = {
      .ino = DISK_INODE, .attr_timeout = forever_seconds, .entry_timeout = forever_seconds};
  if (parent != FUSE_ROOT_ID || strcmp(name, disk_name) != 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  attributes(DISK_INODE, &entry.attr);
  fuse_reply_entry(request, &entry);
}

static void serve_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                          struct fuse_file_info* file) {
  char buffer[256];
  struct stat stat;
  (void)file;
  if (inode != FUSE_ROOT_ID) {
    fuse_reply_err(request, ENOTDIR);
    return;
  }
  attributes(DISK_INODE, &stat);
  size_t length = offset > 0 ? 0 : fuse_add_direntry(request, buffer, sizeof buffer, disk_name, &stat, 1);
  fuse_reply_buf(request, buffer, length < size ? length : 0);
}

static void serve_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info* file) {
  if (inode != DISK_INODE) {
    fuse_reply_err(request, EISDIR);
    return;
  }
  file->direct_io = 1;
  file->noflush = 1;
  fuse_reply_open(request, file);
}

static void answer_read(const struct delayed_read* read) {
  uint64_t block = read->offset / PAGE_BYTES;
  uint64_t skip = read->offset % PAGE_BYTES;
  size_t blocks = (skip + read->bytes + PAGE_BYTES - 1) / PAGE_BYTES;
  uint32_t* content = aligned_alloc(PAGE_BYTES, blocks ? blocks * PAGE_BYTES : PAGE_BYTES);
  if (!content) {
    fuse_reply_err(read->request, ENOMEM);
    return;
  }
  for (size_t i = 0; i < blocks; i++) page_fill(content + i * PAGE_WORDS, (uint32_t)(block + i), 0);
  fuse_reply_buf(read->request, (const char*)content + skip, read->bytes);
  free(content);
}

static void serve_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info* file) {
  (void)inode;
  (void)file;
  uint64_t from = (uint64_t)offset < disk_bytes ? (uint64_t)offset : disk_bytes;
  struct delayed_read read = {request, from, size < disk_bytes - from ? size : (size_t)(disk_bytes - from)};
  if (delay_add(&read)) fuse_reply_err(request, ENOMEM);
}

static const struct fuse_lowlevel_ops operations = {
    .init = start_connection,
    .lookup = serve_lookup,
    .getattr = serve_getattr,
    .readdir = serve_readdir,
    .open = serve_open,
    .read = serve_read,
};

static int usage(void) {
  fprintf(stderr, "usage: drover-slow-disk --mount DIR --mib 1..%d --delay-ms 0..%d\n", MIB_MAX, DELAY_MAX_MS);
  return 2;
}

/* Reads a decimal number from `low` to `high`, or gives -1. */
static long number(const char* text, long low, long high) {
  char* end;
  errno = 0;
  long value = strtol(text, &end, 10);
  return errno || end == text || *end || value < low || value > high ? -1 : value;
}

static int serve(struct fuse_session* session, const char* mount_point, uint32_t delay_ms) {
  int status = 1;
  if (fuse_set_signal_handlers(session)) return 1;
  if (fuse_session_mount(session, mount_point) == 0) {
    if (delay_start(delay_ms, answer_read) == 0) {
      puts("READY");
      fflush(stdout);
      status = fuse_session_loop(session) < 0;
      delay_stop();
    } else {
      perror("drover-slow-disk: cannot start a thread");
    }
    fuse_session_unmount(session);
  }
  fuse_remove_signal_handlers(session);
  return status;
}

int main(int argc, char** argv) {
  static const struct option options[] = {{"mount", required_argument, 0, 'm'},
                                          {"mib", required_argument, 0, 's'},
                                          {"delay-ms", required_argument, 0, 'd'},
                                          {0}};
  const char* mount_point = NULL;
  long mib = 0, delay_ms = -1;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'm') {
      mount_point = optarg;
    } else if (option == 's') {
      mib = number(optarg, 1, MIB_MAX);
    } else if (option == 'd') {
      delay_ms = number(optarg, 0, DELAY_MAX_MS);
    } else {
      return usage();
    }
  }
  if (!mount_point || mib <= 0 || delay_ms < 0 || optind != argc) return usage();
  disk_bytes = (uint64_t)mib << 20;

  struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
  int status = 1;
  if (fuse_opt_add_arg(&arguments, argv[0]) == 0 && fuse_opt_add_arg(&arguments, "-oro,fsname=drover-slow-disk") == 0) {
    struct fuse_session* session = fuse_session_new(&arguments, &operations, sizeof operations, NULL);
    if (session) {
      status = serve(session, mount_point, (uint32_t)delay_ms);
      fuse_session_destroy(session);
    }
  }
  fuse_opt_free_args(&arguments);
  return status;
}
