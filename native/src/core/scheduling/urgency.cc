#include "core/scheduling/urgency.h"

#include <utility>

namespace drover {

namespace {

bool is_real_time(int policy) {
  const int plain = policy & ~SCHED_RESET_ON_FORK;
  return plain == SCHED_RR || plain == SCHED_FIFO || plain == SCHED_DEADLINE;
}

}  // namespace

void make_urgent(pthread_t thread) {
  const sched_param lowest{.sched_priority = ::sched_get_priority_min(SCHED_RR)};
  (void)::pthread_setschedparam(thread, SCHED_RR, &lowest);
}

Result<Urgency> Urgency::raise() {
  Urgency urgency;
  const int policy = ::sched_getscheduler(0);
  if (policy < 0) return errno_error("sched_getscheduler", "this thread cannot be made urgent");
  if (is_real_time(policy)) return urgency;
  urgency.policy_ = policy;
  const sched_param lowest{.sched_priority = ::sched_get_priority_min(SCHED_RR)};
  if (::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &lowest) != 0) {
    return errno_error("sched_setscheduler", "this thread cannot be made urgent");
  }
  urgency.raised_ = true;
  return urgency;
}

Urgency::Urgency(Urgency&& other) noexcept : raised_(std::exchange(other.raised_, false)), policy_(other.policy_) {}

Urgency::~Urgency() {
  if (!raised_) return;
  const sched_param none{};
  // Without CAP_SYS_NICE the flag stays: only threads and processes with a nice value below 0 would notice it.
  if (::sched_setscheduler(0, policy_, &none) != 0) {
    (void)::sched_setscheduler(0, policy_ | SCHED_RESET_ON_FORK, &none);
  }
}

}  // namespace drover
