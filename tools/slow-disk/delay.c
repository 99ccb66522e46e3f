#include "delay.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct waiting {
  struct delayed_read read;
  struct timespec due;
  struct waiting* next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_t thread;
static struct waiting *first, **end = &first;
static int stopping;
static uint32_t delay_ms;
static void (*answer)(const struct delayed_read* read);

static int is_due(const struct timespec* due) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec > due->tv_sec || (now.tv_sec == due->tv_sec && now.tv_nsec >= due->tv_nsec);
}

static void* answer_all(void* unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  while (first || !stopping) {
    if (!first) {
      pthread_cond_wait(&changed, &lock);
      continue;
    }
    if (!stopping && !is_due(&first->due)) {
      pthread_cond_timedwait(&changed, &lock, &first->due);
      continue;
    }
    struct waiting* due = first;
    first = due->next;
    if (!first) end = &first;
    pthread_mutex_unlock(&lock);
    answer(&due->read);
    free(due);
    pthread_mutex_lock(&lock);
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

int delay_start(uint32_t ms, void (*how)(const struct delayed_read* read)) {
  delay_ms = ms;
  answer = how;
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  errno = pthread_create(&thread, NULL, answer_all, NULL);
  return errno ? -1 : 0;
}

int delay_add(const struct delayed_read* read) {
  struct waiting* waiting = malloc(sizeof *waiting);
  if (!waiting) return -1;
  waiting->read = *read;
  waiting->next = NULL;
  clock_gettime(CLOCK_MONOTONIC, &waiting->due);
  waiting->due.tv_sec += delay_ms / 1000;
  waiting->due.tv_nsec += (long)(delay_ms % 1000) * 1000000;
  if (waiting->due.tv_nsec >= 1000000000) {
    waiting->due.tv_nsec -= 1000000000;
    waiting->due.tv_sec++;
  }
  pthread_mutex_lock(&lock);
  *end = waiting;
  end = &waiting->next;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
  return 0;
}

void delay_stop(void) {
  pthread_mutex_lock(&lock);
  stopping = 1;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
  pthread_join(thread, NULL);
}
