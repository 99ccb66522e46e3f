/* What entry.S calls. */
#ifndef DROVER_GUEST_ENTRY_H
#define DROVER_GUEST_ENTRY_H

#include "start-info.h"

/* The guest's whole life; returns only where it refuses to start. */
void guest_main(const struct start_info* info);

/* Says that a processor exception was taken, with its frame lost. */
void guest_exception(void);

#endif
