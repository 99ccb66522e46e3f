/* COM1, polled. */
#ifndef DROVER_GUEST_SERIAL_H
#define DROVER_GUEST_SERIAL_H

#include <stdint.h>

void serial_start(void);

/* Cycles after which a byte that the port does not take is given up, so that a reader who stands still stops no guest.
 */
void serial_set_patience(uint32_t cycles);

/* Sends a line. Where the port does not take it in time the rest of the line is dropped, and the next line starts
 * fresh. */
void serial_write(const char* line, int length);

/* The next byte that came in, or -1. */
int serial_read(void);

#endif
