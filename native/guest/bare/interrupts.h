/* The interrupt table and the interrupt controller, for the timer alone. */
#ifndef DROVER_GUEST_INTERRUPTS_H
#define DROVER_GUEST_INTERRUPTS_H

#include <stdint.h>

/* Loads the table and unmasks IRQ 0; interrupts stay off but inside wait_for_timer. */
void interrupts_start(void);

/* See entry.S. */
int wait_for_timer(uint32_t spins);

#endif
