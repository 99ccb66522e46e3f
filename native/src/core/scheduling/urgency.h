// Lets a thread run ahead of all ordinary ones for a short time, in which a guest stands still because of it.
//
// An ordinary thread that wakes another, a processor of a guest say, may have to stand behind it until the next tick of
// the scheduler, 1 to 10 ms, although another processor idles. A real-time thread is not moved aside and not made to
// wait.
#pragma once

#include <pthread.h>
#include <sched.h>

#include "core/base/result.h"

namespace drover {

// Makes another thread of this process urgent until its end. Where that is not permitted nothing happens: only time is
// lost.
void make_urgent(pthread_t thread);

// Of the thread that makes and destroys it: sched_setscheduler(2) is of a thread.
class Urgency {
 public:
  // SCHED_RR of the lowest priority; threads and processes that it starts are ordinary ones. Errors: permission
  // (neither CAP_SYS_NICE nor RLIMIT_RTPRIO), system_call. A thread that is real-time already stays as it is.
  static Result<Urgency> raise();
  ~Urgency();
  Urgency(Urgency&& other) noexcept;
  Urgency& operator=(Urgency&&) = delete;

 private:
  Urgency() = default;

  bool raised_ = false;
  int policy_ = SCHED_OTHER;  // before; its nice value the kernel keeps
};

}  // namespace drover
