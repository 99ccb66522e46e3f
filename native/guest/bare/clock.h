/* Time: the time stamp counter, measured against the PIT; and waiting by the PIT's interrupt. */
#ifndef DROVER_GUEST_CLOCK_H
#define DROVER_GUEST_CLOCK_H

#include <stdint.h>

/* Measures the TSC over 50 ms and sets up the timer's interrupt. Returns kHz, or 0 where there is no PIT that counts.
 */
uint32_t clock_start(void);

/* True where the timer's interrupt was seen to arrive, so that clock_halt may be used. */
int clock_can_halt(void);

/* Halts the processor for about `cycles` of the TSC, at most 50 ms. */
void clock_halt(uint64_t cycles);

/* Cycles in `us` microseconds. */
uint64_t clock_cycles(uint32_t us);

#endif
