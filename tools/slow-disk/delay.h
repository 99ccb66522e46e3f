/*
 * Answers that wait: reads are taken in at once, however many, and each is answered a fixed time after it came. One
 * thread answers; since all wait equally long, first come is first served.
 */
#ifndef DROVER_SLOW_DISK_DELAY_H
#define DROVER_SLOW_DISK_DELAY_H

#include <stddef.h>
#include <stdint.h>

struct delayed_read {
  void* request; /* whatever `answer` needs to find its asker */
  uint64_t offset;
  size_t bytes;
};

/* Starts the thread. `answer` is called on it, one read at a time. Returns 0, or -1 with errno. */
int delay_start(uint32_t delay_ms, void (*answer)(const struct delayed_read* read));

/* Takes a read in. Returns 0, or -1 where there is no memory for it. */
int delay_add(const struct delayed_read* read);

/* Answers at once all that wait, and ends the thread. */
void delay_stop(void);

#endif
