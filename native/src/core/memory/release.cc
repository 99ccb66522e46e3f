#include "core/memory/release.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace drover {

void release_quietly(GuestMemory* memory) {
  if (memory->pages() * kPageSize < kQuietBytes) {
    delete memory;
    return;
  }
  std::thread([memory] {
    // On Linux this is the thread's own nice value. Failing leaves it as it was.
    (void)setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 19);
    delete memory;
  }).detach();
}

}  // namespace drover
