// A whole VM of bhyve with its processors: what core/kvm/machine.h is on KVM, but for boot and console.
//
//   made --resume--> running --pause--> paused --resume--> running
//     |                 |                 ^
//     +------load-------|-----------------+
//                       +--guest ends or fails--> ended
//
// Pausing comes in two steps whose order matters: every processor out of the guest with no instruction half emulated,
// then the kernel's devices. Resuming is the exact reverse. Calls may come from any thread and wait for each other;
// none but pause() waits for the guest.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/bhyve/npt_tracker.h"
#include "core/bhyve/state/vm_state.h"
#include "core/bhyve/vcpu_thread.h"
#include "core/bhyve/vm.h"
#include "core/machine/machine.h"
#include "core/machine/time.h"

namespace drover::bhyve {

// One access of the guest to an I/O port that no device of the kernel answers.
struct PortAccess {
  uint16_t port;
  uint8_t bytes;   // 1, 2 or 4
  bool in;         // the guest reads
  uint32_t value;  // what it writes
};

// Why a machine ended by itself.
struct Ending {
  enum class Kind { reset, power_off, failed };
  Kind kind;
  int vcpu = 0;
  std::string message{};    // a sentence
  std::string registers{};  // of that processor, see describe_registers; empty unless failed
};

class Machine final : public machine::Machine {
 public:
  struct Options {
    std::shared_ptr<Devices> devices = host_devices();
    Vm::Options vm;
    int vcpus = 1;
    // Returns what the guest reads. On a processor's thread, several at once.
    std::function<uint32_t(const PortAccess&)> on_port;
    // Once, when the guest ends by itself; on a processor's thread, which must not wait for this machine.
    std::function<void(const Ending&)> on_end;
  };

  // Errors: Vm::create's, and limit (more processors than bhyve allows).
  static Result<std::shared_ptr<Machine>> create(Options options);
  ~Machine() override;

  State state() override;
  Vm& vm() { return *vm_; }

  // Takes back a pause that timed out, too. Errors: closed (ended), system_call.
  Status resume() override;
  // Returns once no guest code runs and no timer of the guest goes on. Nothing to do unless running. Errors: timeout;
  // the pause stays asked for, and pause may be called again.
  Status pause(std::chrono::milliseconds timeout) override;

  // The whole state but memory. Errors: closed (not paused), unsupported, system_call.
  Result<std::vector<Payload>> save() override;
  // Takes on a state, instead of the first resume. Errors: closed (not a fresh machine), and those of load in
  // vm_state.h. After an error the machine must be thrown away.
  Status load(const std::vector<Payload>& payloads, machine::ClockMode mode) override;

  DirtyTracker& tracker() override { return *tracker_; }

 private:
  explicit Machine(Options options) : options_(std::move(options)) {}
  Status assemble();
  VcpuThread::Next on_exit(Vcpu& vcpu, const Result<const abi::vm_exit*>& exit);
  VcpuThread::Next on_suspended(Vcpu& vcpu, int32_t how);
  VcpuThread::Next fail(Vcpu& vcpu, const std::string& what);
  void end(Ending ending);

  const Options options_;
  std::shared_ptr<Vm> vm_;
  std::unique_ptr<NptTracker> tracker_;

  std::mutex operation_;  // one call at a time
  std::mutex mutex_;      // guards state_
  State state_ = State::made;
  // Last: their threads use all of the above, and end first.
  std::vector<std::unique_ptr<VcpuThread>> threads_;
};

}  // namespace drover::bhyve
