/*
 * Keeps checksummed records on a disk: block b (4 KiB) is the full page with index b (../page.h), and its counter says
 * how often it was written. All are written once, then again and again a random one is read, compared with the counter
 * that memory knows, and written anew. So a write that a migration lost, or that another host's VMM put back, shows as
 * a record that is old.
 *
 * The guest opens the disk with O_DIRECT and O_DSYNC: what it was answered is on the disk. Whoever reads the image
 * afterwards finds every record whole.
 */
#ifndef DROVER_GUEST_RECORDS_H
#define DROVER_GUEST_RECORDS_H

#include <stdint.h>

/* Starts the writer on the first `count` blocks. Returns NULL, or why it cannot be. */
const char* records_start(int fd, uint32_t count, void (*print)(const char* line, int length));

/* Records written, compared, and found wrong, since the start. */
uint64_t records_written(void);
uint64_t records_checked(void);
uint32_t records_bad(void);

#endif
