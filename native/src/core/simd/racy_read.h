// Guest memory is written by the guest while it is read here: a data race on purpose. What was read is only ever used
// as "bytes that were there at some moment"; the tracker reports the page and a checksum tells a torn run.
// ThreadSanitizer is kept out of exactly the functions that read guest memory, and nothing else.
#pragma once

#define DROVER_RACY_READ __attribute__((no_sanitize("thread")))
