/*
 * The guests' settings: `name=value` words of a kernel command line. Unknown words are somebody else's and are passed
 * over; a known word with a value that is none of its own is an error, which the guest prints instead of starting.
 */
#ifndef DROVER_GUEST_WORDS_H
#define DROVER_GUEST_WORDS_H

#include <stdint.h>

enum pattern { PATTERN_SEQUENTIAL, PATTERN_RANDOM, PATTERN_HOT };
enum fill { FILL_SPARSE, FILL_FULL };

#define RATE_MAX 0xffffffffu

struct settings {
  uint32_t pages;   /* working set, in pages of 4 KiB */
  uint32_t rate;    /* page writes a second; RATE_MAX: without pause */
  uint32_t beat_us; /* time between beats, in µs: 100 to 1,000,000 */
  uint32_t verify;  /* pages verified a beat, on top of those that are written */
  enum pattern pattern;
  enum fill fill;
  uint32_t spin; /* 1: waits by spinning instead of halting the processor */
};

/* The value of `name` in `line`, as a pointer to its first character, or 0. It ends at a space or at the line's end. */
static inline const char* word_value(const char* line, const char* name) {
  for (const char* at = line; *at;) {
    while (*at == ' ' || *at == '\n') at++;
    const char* n = name;
    while (*n && *at == *n) at++, n++;
    if (!*n && *at == '=') return at + 1;
    while (*at && *at != ' ' && *at != '\n') at++;
  }
  return 0;
}

static inline int word_ends(char c) { return c == 0 || c == ' ' || c == '\n'; }

static inline int word_is(const char* value, const char* text) {
  while (*text && *value == *text) value++, text++;
  return !*text && word_ends(*value);
}

/* Reads a decimal number of at most nine digits into `out`. Returns 0, or -1 where the value is none. */
static inline int word_number(const char* value, uint32_t* out) {
  uint32_t number = 0;
  int digits = 0;
  for (; *value >= '0' && *value <= '9'; value++, digits++) number = number * 10 + (uint32_t)(*value - '0');
  if (digits == 0 || digits > 9 || !word_ends(*value)) return -1;
  *out = number;
  return 0;
}

/*
 * Reads all settings; what the line does not name keeps the value it has in `out`.
 * Returns 0, or the name of the first word whose value cannot be read.
 */
static inline const char* settings_read(const char* line, struct settings* out) {
  const char* value;
  if ((value = word_value(line, "pages")) && word_number(value, &out->pages)) return "pages";
  if ((value = word_value(line, "rate"))) {
    if (word_is(value, "max")) {
      out->rate = RATE_MAX;
    } else if (word_number(value, &out->rate) || out->rate > 10000000) {
      return "rate";
    }
  }
  if ((value = word_value(line, "beat-us")) &&
      (word_number(value, &out->beat_us) || out->beat_us < 100 || out->beat_us > 1000000)) {
    return "beat-us";
  }
  if ((value = word_value(line, "verify")) && word_number(value, &out->verify)) return "verify";
  if ((value = word_value(line, "pattern"))) {
    if (word_is(value, "seq")) {
      out->pattern = PATTERN_SEQUENTIAL;
    } else if (word_is(value, "random")) {
      out->pattern = PATTERN_RANDOM;
    } else if (word_is(value, "hot")) {
      out->pattern = PATTERN_HOT;
    } else {
      return "pattern";
    }
  }
  if ((value = word_value(line, "fill"))) {
    if (word_is(value, "sparse")) {
      out->fill = FILL_SPARSE;
    } else if (word_is(value, "full")) {
      out->fill = FILL_FULL;
    } else {
      return "fill";
    }
  }
  if ((value = word_value(line, "idle"))) {
    if (word_is(value, "spin")) {
      out->spin = 1;
    } else if (word_is(value, "halt")) {
      out->spin = 0;
    } else {
      return "idle";
    }
  }
  return 0;
}

#endif
