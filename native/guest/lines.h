/*
 * The lines that a guest prints on its serial port; README.md describes them for readers. Each function writes one line
 * with its newline into `out`, which holds LINE_BYTES, and returns its length.
 */
#ifndef DROVER_GUEST_LINES_H
#define DROVER_GUEST_LINES_H

#include <stdint.h>

#include "page.h"
#include "words.h"

enum {
  LINE_BYTES = 192,
  /* One beat in so many is a full line; the others carry only the low 16 bits of the counter. A serial port costs an
   * exit to the VMM for each byte, 5 to 20 µs, so a full line each millisecond would take a fifth of the guest's time.
   */
  BEATS_PER_FULL_LINE = 64,
  /* A guest with much wrong memory prints so many bad pages; the count goes on. */
  BAD_LINES_MAX = 16,
};

static inline char* line_text(char* at, const char* text) {
  while (*text) *at++ = *text++;
  return at;
}

static inline char* line_digits(char* at, uint32_t value, int digits) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[value >> shift & 15];
  return at;
}

static inline char* line_hex(char* at, uint32_t high, uint32_t low) {
  int digits = 1;
  if (high) {
    while (digits < 8 && high >> digits * 4) digits++;
    return line_digits(line_digits(at, high, digits), low, 8);
  }
  while (digits < 8 && low >> digits * 4) digits++;
  return line_digits(at, low, digits);
}

static inline char* line_hex64(char* at, uint64_t value) {
  return line_hex(at, (uint32_t)(value >> 32), (uint32_t)value);
}

static inline char* line_decimal(char* at, uint32_t value) {
  char digits[10];
  int count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  while (count) *at++ = digits[--count];
  return at;
}

static inline int line_hello(char* out, const struct settings* s, uint32_t tsc_khz) {
  char* at = line_decimal(line_text(out, "DROVER-GUEST 1 pages="), s->pages);
  at = line_text(at, " rate=");
  at = s->rate == RATE_MAX ? line_text(at, "max") : line_decimal(at, s->rate);
  at = line_decimal(line_text(at, " tsc-khz="), tsc_khz);
  *at++ = '\n';
  return (int)(at - out);
}

/* The beat `counter`: `b<4 hex digits>`, or each 64th as `B <counter> <writes> <bad>` in hex. */
static inline int line_beat(char* out, uint64_t counter, uint64_t writes, uint32_t bad) {
  char* at = out;
  if ((uint32_t)counter % BEATS_PER_FULL_LINE) {
    *at++ = 'b';
    at = line_digits(at, (uint32_t)counter, 4);
  } else {
    at = line_hex64(line_text(at, "B "), counter);
    *at++ = ' ';
    at = line_hex64(at, writes);
    *at++ = ' ';
    at = line_hex(at, 0, bad);
  }
  *at++ = '\n';
  return (int)(at - out);
}

/* A page or disk block (`what`) that is wrong, with the first word that showed it. */
static inline int line_bad(char* out, const char* what, uint32_t index, uint32_t counter,
                           const struct page_fault* fault) {
  char* at = line_text(line_text(out, "BAD "), what);
  *at++ = '=';
  at = line_decimal(at, index);
  at = line_decimal(line_text(at, " counter="), counter);
  at = line_decimal(line_text(at, " word="), fault->word);
  at = line_digits(line_text(at, " want="), fault->want, 8);
  at = line_digits(line_text(at, " have="), fault->have, 8);
  *at++ = '\n';
  return (int)(at - out);
}

/* The answer to `v`. */
static inline int line_verified(char* out, uint32_t pages, uint32_t bad) {
  char* at = line_decimal(line_text(out, bad ? "V bad pages=" : "V ok pages="), pages);
  at = line_decimal(line_text(at, " bad="), bad);
  *at++ = '\n';
  return (int)(at - out);
}

/* How far the test disk's readers and its checker are, in blocks. */
static inline int line_disk(char* out, uint64_t blocks_read, uint64_t blocks_checked) {
  char* at = line_hex64(line_text(out, "D "), blocks_read);
  *at++ = ' ';
  at = line_hex64(at, blocks_checked);
  *at++ = '\n';
  return (int)(at - out);
}

static inline int line_refusal(char* out, const char* word, const char* why) {
  char* at = line_text(line_text(line_text(line_text(out, "DROVER-GUEST refused: "), word), " "), why);
  *at++ = '\n';
  return (int)(at - out);
}

#endif
