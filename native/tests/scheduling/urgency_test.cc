#include "core/scheduling/urgency.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <thread>

namespace drover {
namespace {

int nice_of_this_thread() { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid))); }

// On a thread of its own: what it changes ends with it.
template <typename Work>
void apart(Work work) {
  std::thread(work).join();
}

TEST(Urgency, MakesThisThreadRealTimeAndThenWhatItWasBefore) {
  apart([] {
    ASSERT_EQ(::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 5), 0);
    const int before = ::sched_getscheduler(0);
    {
      auto urgency = Urgency::raise();
      if (!urgency) GTEST_SKIP() << urgency.error().message;
      EXPECT_EQ(::sched_getscheduler(0), SCHED_RR | SCHED_RESET_ON_FORK);
    }
    EXPECT_EQ(::sched_getscheduler(0), before);
    EXPECT_EQ(nice_of_this_thread(), 5);
  });
}

TEST(Urgency, IsOfOneThreadAndNotOfThoseThatItStarts) {
  apart([] {
    auto urgency = Urgency::raise();
    if (!urgency) GTEST_SKIP() << urgency.error().message;
    apart([] { EXPECT_EQ(::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_OTHER); });
    EXPECT_EQ(::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_RR);
  });
}

TEST(Urgency, LeavesAThreadThatIsRealTimeAlreadyAsItIs) {
  apart([] {
    const sched_param second{.sched_priority = 2};
    if (::sched_setscheduler(0, SCHED_FIFO, &second) != 0) GTEST_SKIP() << "no permission to be real-time";
    {
      auto urgency = Urgency::raise();
      ASSERT_TRUE(urgency.ok());
    }
    EXPECT_EQ(::sched_getscheduler(0), SCHED_FIFO);
  });
}

TEST(Urgency, MovedEndsWithTheLastHolder) {
  apart([] {
    std::optional<Urgency> kept;
    {
      auto urgency = Urgency::raise();
      if (!urgency) GTEST_SKIP() << urgency.error().message;
      kept.emplace(urgency.take());
    }
    EXPECT_EQ(::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_RR);
    kept.reset();
    EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
  });
}

}  // namespace
}  // namespace drover
