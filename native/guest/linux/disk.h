/*
 * Reads a test disk again and again into memory that is checked: what a device writes into guest memory must move as
 * surely as what the processor writes.
 *
 * Block b of a test disk (4 KiB) is the full page with index b and counter 0 (../page.h). Readers fetch random runs of
 * blocks into slots of a window, check them at once, and leave them there; a checker goes round the window and checks
 * again what is there. Nothing but the device ever writes to a slot, and each time it is another run, so a device's
 * write that a migration lost shows as the run that was there before.
 *
 *   mode=direct    O_DIRECT: the window is the program's own memory
 *   mode=buffered  the window is the page cache; a run leaves it (POSIX_FADV_DONTNEED) before another takes its slot
 *   mode=records   another thing: the first disk-window blocks are records that are written and checked (records.h)
 *
 * Words: disk=/dev/vda mode=… disk-window=<blocks, 4096> disk-run=<blocks, 16> disk-readers=<4>; the window holds at
 * least two runs for each reader.
 */
#ifndef DROVER_GUEST_DISK_H
#define DROVER_GUEST_DISK_H

#include <stdint.h>

/* Starts the readers and the checker where `command_line` names a disk. Returns NULL, or why it cannot be. */
const char* disk_start(const char* command_line, void (*print)(const char* line, int length));

int disk_is_on(void);

/* Blocks read from the disk, or records written to it, blocks checked again in memory, and blocks found wrong by
 * either, since the start. */
uint64_t disk_blocks_read(void);
uint64_t disk_blocks_checked(void);
uint32_t disk_bad(void);

#endif
