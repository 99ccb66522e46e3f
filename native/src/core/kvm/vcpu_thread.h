// A processor's thread, and the pause that cannot be lost.
//
//   parked --resume--> running --ask_pause--> (KVM_RUN says EINTR) --> parked
//      |                  | the exit handler says stop
//      |                  +--> stopped (for good) <--+
//      +---------------------- end ------------------+
//
// A pause sets kvm_run.immediate_exit and sends the thread a signal: whoever is inside KVM_RUN comes out, whoever is
// about to go in does not get far, and one that handles an exit finds the flag set when it goes back. The thread parks
// only where KVM_RUN itself said EINTR, because only then has the kernel finished the last exit (the value of an `in`
// is in its register), and the processor's state is whole.
//
// The signal stays blocked but inside KVM_RUN, so it is never delivered: no handler, nothing that concerns the process.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/base/result.h"
#include "core/kvm/vcpu.h"

namespace drover::kvm {

class VcpuThread {
 public:
  enum class Next { run, stop };
  // Handles one exit, on this thread. `failure` is errno where KVM_RUN failed, else 0. It must not wait for this
  // thread.
  using ExitHandler = std::function<Next(Vcpu& vcpu, int failure)>;

  // Starts the thread, parked.
  static Result<std::unique_ptr<VcpuThread>> start(std::unique_ptr<Vcpu> vcpu, ExitHandler handler);
  // Ends the thread, soon.
  ~VcpuThread();

  // The processor's state may be read and set while it is parked or stopped.
  Vcpu& vcpu() { return *vcpu_; }

  // Never waits; any thread.
  void ask_pause();
  // True once no guest code runs and none will until resume. False at the deadline; the pause stays asked for.
  bool wait_parked(std::chrono::steady_clock::time_point deadline);
  void resume();

 private:
  VcpuThread(std::unique_ptr<Vcpu> vcpu, ExitHandler handler);
  void main();
  // Waits while a pause is asked for; false when the thread shall end.
  bool park();
  void stop_for_good();

  std::unique_ptr<Vcpu> vcpu_;
  const ExitHandler handler_;
  std::mutex mutex_;  // guards all below, and every change of immediate_exit
  std::condition_variable changed_;
  bool pause_ = true;
  bool parked_ = false;
  bool stopped_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace drover::kvm
