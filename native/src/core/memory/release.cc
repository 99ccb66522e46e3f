#include "core/memory/release.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>
#include <utility>

namespace drover {

void release_quietly(std::shared_ptr<GuestMemory> memory) {
  if (!memory) return;
  std::thread([memory = std::move(memory)]() mutable {
    // On Linux this is the thread's own nice value. Failing leaves it as it was.
    (void)setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 19);
    memory.reset();
  }).detach();
}

}  // namespace drover
