/*
 * Processor state that a look at memory cannot see, filled with values and compared later. As everywhere in a bare
 * guest only what KVM's instruction emulator knows: whole SSE registers are loaded and stored, nothing is computed in
 * them.
 */
#ifndef DROVER_GUEST_REGISTERS_H
#define DROVER_GUEST_REGISTERS_H

#include <stdint.h>

enum { SSE_REGISTERS = 8, MSRS = 4 };

/* Fills the SSE registers and the MSRs. */
void registers_fill(void);

/* The name of the first that no longer holds its value, or 0. */
const char* registers_wrong(void);

#endif
