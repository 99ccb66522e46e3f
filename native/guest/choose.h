/* Which page is written next. */
#ifndef DROVER_GUEST_CHOOSE_H
#define DROVER_GUEST_CHOOSE_H

#include <stdint.h>

#include "words.h"

struct chooser {
  enum pattern pattern;
  uint32_t pages;
  uint32_t hot;    /* pages of the hot part: a sixteenth, at least one */
  uint32_t cursor; /* next page of the sequential pattern */
  uint32_t random; /* state of Marsaglia's xorshift32; never 0 */
};

static inline void chooser_start(struct chooser* c, enum pattern pattern, uint32_t pages) {
  c->pattern = pattern;
  c->pages = pages;
  c->hot = pages < 16 ? 1 : pages / 16;
  c->cursor = 0;
  c->random = 2463534242u;
}

static inline uint32_t chooser_random(struct chooser* c) {
  uint32_t x = c->random;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return c->random = x;
}

/* A number below `limit`, by a multiplication instead of a slow division. */
static inline uint32_t chooser_below(struct chooser* c, uint32_t limit) {
  return (uint32_t)(((uint64_t)chooser_random(c) * limit) >> 32);
}

/* The next page to write; `pages` must not be 0. Hot: 15 of 16 writes go to the first sixteenth of the pages. */
static inline uint32_t chooser_next(struct chooser* c) {
  if (c->pattern == PATTERN_SEQUENTIAL) {
    uint32_t page = c->cursor;
    c->cursor = page + 1 == c->pages ? 0 : page + 1;
    return page;
  }
  if (c->pattern == PATTERN_RANDOM) return chooser_below(c, c->pages);
  return chooser_below(c, chooser_below(c, 16) == 0 ? c->pages : c->hot);
}

#endif
