/*
 * The working set: pages that check themselves, and a table beside them of what each page's counter must be. The table
 * is guest memory too, so a lost write to either shows against the other.
 */
#ifndef DROVER_GUEST_WORKSET_H
#define DROVER_GUEST_WORKSET_H

#include <stdint.h>

#include "choose.h"
#include "lines.h"
#include "page.h"
#include "words.h"

struct workset {
  volatile uint32_t* memory;   /* settings.pages pages */
  volatile uint32_t* counters; /* one word a page */
  uint32_t pages;
  enum fill fill;
  struct chooser chooser;
  uint64_t writes;
  uint32_t bad;    /* checks that failed since the start */
  uint32_t patrol; /* next page of the verification that goes on all the time */
  uint32_t asked;  /* next page of the verification asked for by `v` */
  uint32_t asked_bad;
  int asking;
  void (*print)(const char* line, int length);
};

static inline volatile uint32_t* workset_page(const struct workset* w, uint32_t index) {
  return w->memory + (uintptr_t)index * PAGE_WORDS;
}

/* Fills page `index` before its first write. */
static inline void workset_fill(struct workset* w, uint32_t index) {
  w->counters[index] = 0;
  if (w->fill == FILL_FULL) {
    page_fill(workset_page(w, index), index, 0);
  } else {
    page_write(workset_page(w, index), index, 0);
  }
}

static inline void workset_report(struct workset* w, uint32_t index, uint32_t counter, const struct page_fault* fault) {
  char line[LINE_BYTES];
  if (w->bad++ < BAD_LINES_MAX) w->print(line, line_bad(line, "page", index, counter, fault));
}

/* Writes the next page, after having checked what it held. */
static inline void workset_write(struct workset* w) {
  struct page_fault fault;
  uint32_t index = chooser_next(&w->chooser);
  volatile uint32_t* page = workset_page(w, index);
  uint32_t counter = w->counters[index];
  if (page_verify(page, index, counter, &fault)) workset_report(w, index, counter, &fault);
  page_write(page, index, counter + 1);
  w->counters[index] = counter + 1;
  w->writes++;
}

static inline int workset_check(struct workset* w, uint32_t index, int whole) {
  struct page_fault fault;
  uint32_t counter = w->counters[index];
  const volatile uint32_t* page = workset_page(w, index);
  int wrong = whole && w->fill == FILL_FULL ? page_verify_full(page, index, counter, &fault)
                                            : page_verify(page, index, counter, &fault);
  if (wrong) workset_report(w, index, counter, &fault);
  return wrong;
}

/* Verifies the next page of the round that goes on all the time. */
static inline void workset_patrol(struct workset* w) {
  if (w->pages == 0) return;
  workset_check(w, w->patrol, 0);
  w->patrol = w->patrol + 1 == w->pages ? 0 : w->patrol + 1;
}

/* Starts to verify every word of the whole working set; workset_answer goes on with it between beats. */
static inline void workset_ask(struct workset* w) {
  w->asked = 0;
  w->asked_bad = 0;
  w->asking = 1;
}

/* Verifies one more page of what was asked for, and prints the answer after the last. */
static inline void workset_answer(struct workset* w) {
  char line[LINE_BYTES];
  if (w->asked < w->pages) {
    w->asked_bad += (uint32_t)workset_check(w, w->asked++, 1);
    return;
  }
  w->asking = 0;
  w->print(line, line_verified(line, w->pages, w->asked_bad));
}

static inline void workset_start(struct workset* w, const struct settings* s) {
  w->pages = s->pages;
  w->fill = s->fill;
  w->writes = 0;
  w->bad = 0;
  w->patrol = 0;
  w->asking = 0;
  chooser_start(&w->chooser, s->pattern, s->pages);
}

#endif
