/*
 * Holds the guests' headers to their word, on the host. Prints one line for each claim that does not hold, then sample
 * lines for the reader's parser, each after "LINE "; exits with the number of failures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../choose.h"
#include "../deadline.h"
#include "../lines.h"
#include "../page.h"
#include "../words.h"
#include "../workset.h"

static int failures;

static void claim(int holds, const char* what, uint32_t at) {
  if (holds) return;
  failures++;
  printf("FAILED %s (%u)\n", what, at);
}

static uint32_t page[PAGE_WORDS], other[PAGE_WORDS];
static struct page_fault fault;

static void pages(void) {
  for (uint32_t n = 0; n < 2000; n++) {
    uint32_t index = n * 7919u, counter = n * n;
    memset(page, 0, sizeof page);
    page_write(page, index, counter);
    claim(page_verify(page, index, counter, &fault) == 0, "a page that was written is right", n);
    claim(page_verify(page, index, counter + 1, &fault) == 1, "an old page is wrong", n);
    claim(fault.word == PAGE_WORD_COUNTER && fault.want == counter + 1 && fault.have == counter, "and says how old", n);
    claim(page_verify(page, index + 1, counter, &fault) == 1, "another page's content is wrong", n);
  }
  page_fill(page, 5, 9);
  claim(page_verify_full(page, 5, 9, &fault) == 0, "a full page is right", 0);
  for (uint32_t word = 0; word < PAGE_WORDS; word++) {
    for (uint32_t bit = 0; bit < 32; bit++) {
      page[word] ^= 1u << bit;
      claim(page_verify_full(page, 5, 9, &fault) == 1 && fault.word == word, "any changed bit of a full page shows",
            word);
      if (!page_word_is_still(word)) claim(page_verify(page, 5, 9, &fault) == 1, "and of a live word always", word);
      page[word] ^= 1u << bit;
    }
  }
  /* A page of which the first `cut` words are old and the rest is new, wherever it is cut after the index, which both
   * share. */
  for (uint32_t cut = 2; cut < PAGE_WORDS; cut++) {
    page_fill(page, 3, 8);
    page_fill(other, 3, 7);
    memcpy(page, other, cut * 4);
    claim(page_verify(page, 3, 8, &fault) == 1 && page_verify(page, 3, 7, &fault) == 1, "a mixed page is wrong", cut);
  }
}

static void settings(void) {
  struct settings s = {.beat_us = 1000, .verify = 1};
  const char* line = "console=ttyS0 pages=131072 quiet rate=max pattern=hot beat-us=500 verify=0 fill=full idle=spin\n";
  claim(settings_read(line, &s) == 0, "known words are read among others", 0);
  claim(s.pages == 131072 && s.rate == RATE_MAX && s.pattern == PATTERN_HOT && s.beat_us == 500 && s.verify == 0 &&
            s.fill == FILL_FULL && s.spin == 1,
        "each into its place", 0);
  claim(settings_read("", &s) == 0 && s.pages == 131072, "what is not named stays", 0);
  claim(settings_read("mypages=5 pagesx=6 page=7 pages", &s) == 0 && s.pages == 131072, "a name is a whole name", 0);
  static const char* const wrong[] = {"pages=",           "pages=1x",      "pages=-1",   "pages=1234567890",
                                      "rate=maximum",     "rate=99999999", "beat-us=99", "verify=all",
                                      "pattern=sequence", "fill=half",     "idle=sleep", "beat-us=1000001"};
  for (uint32_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const char* name = settings_read(wrong[i], &s);
    claim(name && strncmp(name, wrong[i], strlen(name)) == 0, "a wrong value is refused by its word's name", i);
  }
}

static void deadlines(void) {
  struct deadline d = {100, 10, 50};
  claim(!deadline_passed(&d, 99) && deadline_passed(&d, 100) && !deadline_passed(&d, 100), "once a period", 0);
  int made_up = 0;
  while (deadline_passed(&d, 100000)) made_up++;
  claim(made_up == 6, "a jump forward is made up for no further than catch_up", (uint32_t)made_up);
  claim(!deadline_passed(&d, 500) && deadline_passed(&d, 510), "a jump back goes on from the new time", 0);
}

static void choices(void) {
  static uint32_t hits[160];
  for (int pattern = PATTERN_SEQUENTIAL; pattern <= PATTERN_HOT; pattern++) {
    struct chooser c;
    memset(hits, 0, sizeof hits);
    chooser_start(&c, (enum pattern)pattern, 160);
    for (int n = 0; n < 160000; n++) {
      uint32_t chosen = chooser_next(&c);
      claim(chosen < 160, "a page of the working set", chosen);
      if (chosen < 160) hits[chosen]++;
    }
    for (uint32_t i = 0; i < 160; i++) claim(hits[i] > 0, "every page has its turn", i);
    if (pattern == PATTERN_SEQUENTIAL) claim(hits[0] == 1000 && hits[159] == 1000, "all alike", 0);
    if (pattern == PATTERN_HOT) claim(hits[3] > 50 * hits[100], "the hot ones more", 0);
    chooser_start(&c, (enum pattern)pattern, 1);
    for (int n = 0; n < 100; n++) claim(chooser_next(&c) == 0, "one page is always itself", 1);
  }
}

static char printed[1 << 16];
static int printed_length;

static void print(const char* line, int length) {
  memcpy(printed + printed_length, line, (size_t)length);
  printed_length += length;
  printed[printed_length] = 0;
}

static void worksets(void) {
  enum { PAGES = 8 };
  static uint32_t memory[PAGES * PAGE_WORDS], counters[PAGES];
  struct workset w = {.memory = memory, .counters = counters, .print = print};
  struct settings s = {.pages = PAGES, .fill = FILL_FULL};
  workset_start(&w, &s);
  for (uint32_t i = 0; i < PAGES; i++) workset_fill(&w, i);
  for (int n = 0; n < 20; n++) workset_write(&w), workset_patrol(&w);
  for (workset_ask(&w); w.asking;) workset_answer(&w);
  claim(w.bad == 0 && w.writes == 20 && strcmp(printed, "V ok pages=8 bad=0\n") == 0,
        "a sound working set is found sound", 0);

  printed_length = 0;
  memory[2 * PAGE_WORDS + 500] ^= 1;
  for (workset_ask(&w); w.asking;) workset_answer(&w);
  claim(w.bad == 1 && strstr(printed, "BAD page=2 counter=3 word=500 ") && strstr(printed, "V bad pages=8 bad=1\n"),
        "a wrong page is found by asking", 0);
  memory[4 * PAGE_WORDS + 127] ^= 1;
  workset_write(&w);
  claim(w.bad == 2, "and before it is written over", 0);
  counters[7]--;
  for (int n = 0; n < PAGES; n++) workset_patrol(&w);
  claim(w.bad == 3, "and by the patrol", w.bad);

  struct settings none = {.pages = 0};
  printed_length = 0;
  workset_start(&w, &none);
  workset_patrol(&w);
  for (workset_ask(&w); w.asking;) workset_answer(&w);
  claim(strcmp(printed, "V ok pages=0 bad=0\n") == 0, "no page at all is sound", 0);
}

static void show(const char* line, int length) { printf("LINE %.*s", length, line); }

static void samples(void) {
  char line[LINE_BYTES];
  struct settings s = {.pages = 131072, .rate = 20000};
  show(line, line_hello(line, &s, 2596063));
  s.rate = RATE_MAX;
  show(line, line_hello(line, &s, 1));
  show(line, line_beat(line, 1, 5, 0));
  show(line, line_beat(line, 0x1ffff, 5, 0));
  show(line, line_beat(line, 64, 0, 0));
  show(line, line_beat(line, 0x123456780, 0x100000000, 0xffffffff));
  struct page_fault wrong = {127, 0xabcd, 0xffffffff};
  show(line, line_bad(line, "page", 4000000000u, 7, &wrong));
  show(line, line_verified(line, 16384, 0));
  show(line, line_verified(line, 16384, 3));
  show(line, line_disk(line, 0x10, 0x2000000000));
  show(line, line_refusal(line, "rate", "has a value that cannot be read"));
}

int main(void) {
  pages();
  settings();
  deadlines();
  choices();
  worksets();
  samples();
  return failures > 100 ? 100 : failures;
}
