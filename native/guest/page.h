/*
 * What a checked page holds, and how one is checked.
 *
 * A page of 4096 bytes is 1024 little-endian words of 32 bits:
 *
 *   word 0          index: which page this is
 *   word 1          counter: how often it was written
 *   word 2          check value over index, counter and all live words
 *   word 128k + 127 live word k of 8: derived from index and counter, spread over the whole page
 *   all others      zero in a sparse page; derived from the index alone in a full page
 *
 * Whoever checks a page knows the counter that it must have from elsewhere, so that a page which is right in itself but
 * old shows as wrong too. A page of which one half is older than the other shows in its live words.
 *
 * The same header serves the bare-metal guest, the Linux load program and the slow disk. It is free of 64-bit
 * arithmetic and of any library.
 */
#ifndef DROVER_GUEST_PAGE_H
#define DROVER_GUEST_PAGE_H

#include <stdint.h>

enum {
  PAGE_BYTES = 4096,
  PAGE_WORDS = 1024,
  PAGE_LIVE_WORDS = 8,
  PAGE_LIVE_STRIDE = 128,
  PAGE_WORD_INDEX = 0,
  PAGE_WORD_COUNTER = 1,
  PAGE_WORD_CHECK = 2,
  PAGE_HEADER_WORDS = 3,
};

/* Odd constants, so that multiplying by them loses nothing: two counters never give one page the same live words. */
#define PAGE_INDEX_FACTOR 0x9e3779b1u
#define PAGE_COUNTER_FACTOR 0x85ebca77u
#define PAGE_SEED_OFFSET 0x165667b1u
#define PAGE_LIVE_STEP 0x27d4eb2fu

/* The first word of a page that is wrong: its number, what it should hold and what it holds. */
struct page_fault {
  uint32_t word;
  uint32_t want;
  uint32_t have;
};

static inline uint32_t page_seed(uint32_t index, uint32_t counter) {
  return (index * PAGE_INDEX_FACTOR) ^ (counter * PAGE_COUNTER_FACTOR + PAGE_SEED_OFFSET);
}

static inline uint32_t page_check_value(uint32_t index, uint32_t counter, uint32_t seed) {
  /* The sum of the live words seed, seed + STEP, … seed + 7 STEP, mixed with the header. */
  uint32_t sum = seed * PAGE_LIVE_WORDS + PAGE_LIVE_STEP * (PAGE_LIVE_WORDS * (PAGE_LIVE_WORDS - 1) / 2);
  return sum ^ (index + (counter << 16 | counter >> 16));
}

/* Writes header and live words. */
static inline void page_write(volatile uint32_t* page, uint32_t index, uint32_t counter) {
  uint32_t seed = page_seed(index, counter);
  uint32_t live = seed;
  page[PAGE_WORD_INDEX] = index;
  page[PAGE_WORD_COUNTER] = counter;
  page[PAGE_WORD_CHECK] = page_check_value(index, counter, seed);
#pragma GCC unroll 8
  for (uint32_t k = 0; k < PAGE_LIVE_WORDS; k++) {
    page[k * PAGE_LIVE_STRIDE + PAGE_LIVE_STRIDE - 1] = live;
    live += PAGE_LIVE_STEP;
  }
}

static inline int page_word_wrong(uint32_t word, uint32_t want, uint32_t have, struct page_fault* fault) {
  if (want == have) return 0;
  fault->word = word;
  fault->want = want;
  fault->have = have;
  return 1;
}

/* Checks header and live words. Returns 0 where the page is right, else 1 with the first wrong word in `fault`. */
static inline int page_verify(const volatile uint32_t* page, uint32_t index, uint32_t counter,
                              struct page_fault* fault) {
  uint32_t seed = page_seed(index, counter);
  uint32_t live = seed;
  if (page_word_wrong(PAGE_WORD_INDEX, index, page[PAGE_WORD_INDEX], fault)) return 1;
  if (page_word_wrong(PAGE_WORD_COUNTER, counter, page[PAGE_WORD_COUNTER], fault)) return 1;
  if (page_word_wrong(PAGE_WORD_CHECK, page_check_value(index, counter, seed), page[PAGE_WORD_CHECK], fault)) return 1;
#pragma GCC unroll 8
  for (uint32_t k = 0; k < PAGE_LIVE_WORDS; k++) {
    uint32_t word = k * PAGE_LIVE_STRIDE + PAGE_LIVE_STRIDE - 1;
    if (page_word_wrong(word, live, page[word], fault)) return 1;
    live += PAGE_LIVE_STEP;
  }
  return 0;
}

static inline int page_word_is_still(uint32_t word) {
  return word >= PAGE_HEADER_WORDS && word % PAGE_LIVE_STRIDE != PAGE_LIVE_STRIDE - 1;
}

/* The word of a full page that never changes; the next one follows by page_still_next. */
static inline uint32_t page_still_first(uint32_t index) { return index * PAGE_COUNTER_FACTOR + PAGE_INDEX_FACTOR; }
static inline uint32_t page_still_next(uint32_t still) {
  /* Numerical Recipes' linear congruential generator: cheap, and does not compress. */
  return still * 1664525u + 1013904223u;
}

/* Writes every word of a full page. */
static inline void page_fill(volatile uint32_t* page, uint32_t index, uint32_t counter) {
  uint32_t still = page_still_first(index);
  for (uint32_t word = 0; word < PAGE_WORDS; word++) {
    page[word] = still;
    still = page_still_next(still);
  }
  page_write(page, index, counter);
}

/* Checks every word of a full page; results as page_verify. */
static inline int page_verify_full(const volatile uint32_t* page, uint32_t index, uint32_t counter,
                                   struct page_fault* fault) {
  if (page_verify(page, index, counter, fault)) return 1;
  uint32_t still = page_still_first(index);
  for (uint32_t word = 0; word < PAGE_WORDS; word++) {
    if (page_word_is_still(word) && page_word_wrong(word, still, page[word], fault)) return 1;
    still = page_still_next(still);
  }
  return 0;
}

#endif
