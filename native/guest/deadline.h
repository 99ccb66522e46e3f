/* Something that is due once a period. Times are of any clock that counts up: TSC cycles, nanoseconds. */
#ifndef DROVER_GUEST_DEADLINE_H
#define DROVER_GUEST_DEADLINE_H

#include <stdint.h>

/* After a jump in time a guest makes up for this much of its writes, in µs, and forgets the rest. */
#define CATCH_UP_US 10000

struct deadline {
  uint64_t next;
  uint64_t period;
  uint64_t catch_up; /* what is due for longer than this is forgotten */
};

/* True once for each period that has passed. After a jump, forward or back, it goes on from the new time. */
static inline int deadline_passed(struct deadline* d, uint64_t now) {
  int64_t late = (int64_t)(now - d->next);
  if (late < 0) {
    if (late < -(int64_t)(d->period + d->catch_up)) d->next = now + d->period;
    return 0;
  }
  d->next = ((uint64_t)late > d->catch_up ? now - d->catch_up : d->next) + d->period;
  return 1;
}

#endif
