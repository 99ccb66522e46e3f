// A processor's thread, and the pause that cannot be lost.
//
//   parked --resume--> running --pause--> (the kernel says DEBUG) --> parked
//      |                  | the exit handler says stop
//      |                  +--> stopped (for good) <--+
//      +---------------------- end ------------------+
//
// A pause has the kernel hold the processor, which it remembers: whoever is in the guest comes out, whoever is about to
// go in comes out at once. The kernel says DEBUG only where no instruction is half emulated; an access to a port that
// waits for its answer is handed out again first. So the thread parks where the processor's state is whole.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/base/result.h"
#include "core/bhyve/vcpu.h"

namespace drover::bhyve {

class VcpuThread {
 public:
  enum class Next { run, stop };
  // Handles one exit that is neither BOGUS nor DEBUG, or the error of a run that failed; on this thread. It must not
  // wait for it.
  using ExitHandler = std::function<Next(Vcpu& vcpu, const Result<const abi::vm_exit*>& exit)>;

  // Starts the thread, parked.
  static Result<std::unique_ptr<VcpuThread>> start(std::unique_ptr<Vcpu> vcpu, ExitHandler handler);
  // Ends the thread, soon.
  ~VcpuThread();

  // The processor's state may be read and set while it is parked or stopped.
  Vcpu& vcpu() { return *vcpu_; }

  // Any thread; never waits for the guest.
  Status ask_pause();
  // True once no guest code runs and none will until resume. False at the deadline; the pause stays asked for.
  bool wait_parked(std::chrono::steady_clock::time_point deadline);
  // Takes a pause back that has not come to an end, too.
  Status resume();

 private:
  VcpuThread(std::unique_ptr<Vcpu> vcpu, ExitHandler handler);
  void main();
  // Waits while a pause is asked for; false when the thread shall end.
  bool park();
  void stop_for_good();

  const std::unique_ptr<Vcpu> vcpu_;
  const ExitHandler handler_;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  bool held_ = true;  // a pause is asked for, and the kernel holds the processor: always both
  bool parked_ = false;
  bool stopped_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace drover::bhyve
