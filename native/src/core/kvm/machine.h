// A whole machine on /dev/kvm: memory, processors, serial port, debug-exit port.
//
//   made --boot--> paused --resume--> running --pause--> paused
//     |              ^                   |
//     +-----load-----+                   +--guest ends or fails--> ended
//
// It makes no decision of its own: whoever owns it boots, pauses, moves and ends it. Calls may come from any thread and
// wait for each other; none but pause() waits for the guest.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/unique_fd.h"
#include "core/dirty/dirty_tracker.h"
#include "core/dirty/kvm_dirty_ring.h"
#include "core/kvm/cpuid.h"
#include "core/kvm/state/machine_state.h"
#include "core/kvm/vcpu_thread.h"
#include "core/kvm/vm.h"
#include "core/machine/boot/boot.h"
#include "core/machine/boot/mp_table.h"
#include "core/machine/machine.h"
#include "core/machine/payload.h"
#include "core/machine/serial_console.h"
#include "core/machine/time.h"

namespace drover::kvm {

using machine::ClockMode;
using machine::Kernel;
using machine::Payload;
using machine::SerialConsole;

// Why a machine ended by itself.
struct Ending {
  enum class Kind {
    debug_exit,  // the guest wrote to the debug-exit port
    failed,      // it cannot go on: triple fault, an instruction that KVM cannot emulate, an exit nobody knows
  };
  Kind kind;
  uint32_t value = 0;  // what was written to the debug-exit port
  unsigned vcpu = 0;
  std::string message{};    // a sentence
  std::string registers{};  // of that processor, see describe_registers; empty after debug_exit
};

class Machine final : public machine::Machine {
 public:
  // I/O ports: the first serial port of a PC, on interrupt line 4, and QEMU's isa-debug-exit.
  static constexpr uint16_t kSerialPort = 0x3f8;
  static constexpr unsigned kSerialLine = 4;
  static constexpr uint16_t kDebugExitPort = 0xf4;

  struct Options {
    std::shared_ptr<const GuestMemory> memory;  // at least 1 MiB
    unsigned vcpus = 1;
    Tracking tracking = Tracking::dirty_log;
    DirtyRingSettings ring{};
    // Once, when the guest ends by itself; on a processor's thread, which must not wait for this machine.
    std::function<void(const Ending&)> on_end;
  };

  // Errors: permission, unsupported (no KVM, or it lacks something), limit (more processors than the host's KVM
  // allows), invalid_argument, system_call.
  static Result<std::shared_ptr<Machine>> create(Options options);
  ~Machine() override;

  State state() override;
  // The console's socket, once.
  Result<UniqueFd> take_console() { return console_->take_reader(); }

  // Puts a kernel into memory and the processors at its start; once, instead of load. Errors: invalid_argument (not a
  // kernel, does not fit), closed (not a fresh machine).
  Status boot(const Kernel& kernel);
  Status resume() override;
  Status pause(std::chrono::milliseconds timeout) override;
  Result<std::vector<Payload>> save() override;
  Status load(const std::vector<Payload>& payloads, ClockMode mode) override;
  // Loads it before memory is complete, where that neither reads nor writes memory; then true. Otherwise it is checked,
  // kept, and loaded by finish_load(). Errors as load().
  Result<bool> load_ahead(std::vector<Payload> payloads, ClockMode mode);
  // Once memory is complete. Nothing is left to do after a load_ahead() that was true.
  Status finish_load();

  // What the guest was promised of its processors, at any time: what another host must have to take it on.
  CpuDefinition cpu_definition();
  // The payloads of kind machine/cpuid, at any time.
  std::vector<Payload> cpuid_payloads();

  // The one chosen when it was made.
  DirtyTracker& tracker() override { return *tracker_; }

 private:
  explicit Machine(Options options);
  Status assemble();
  // As an operating system finds them.
  machine::Processors processors() const;
  VcpuThread::Next on_exit(Vcpu& vcpu, int failure);
  VcpuThread::Next on_port(Vcpu& vcpu);
  VcpuThread::Next fail(const Vcpu& vcpu, const std::string& what);
  void end(Ending ending);
  std::vector<Vcpu*> vcpus();

  const Options options_;
  std::shared_ptr<Vm> vm_;
  std::unique_ptr<SerialConsole> console_;
  std::unique_ptr<DirtyTracker> tracker_;
  // As the guest was promised for life, wherever it goes: CPUID, one a processor, and the registers of its state.
  std::vector<CpuidState> cpuids_;
  std::vector<uint32_t> msrs_;
  KvmDirtyRing* ring_ = nullptr;  // the tracker, where it is one

  std::mutex operation_;  // one call at a time
  std::mutex mutex_;      // guards state_
  State state_ = State::made;
  // A state that waits for memory; guarded by operation_.
  struct Kept {
    std::vector<Payload> payloads;
    ClockMode mode;
  };
  std::optional<Kept> kept_;
  // Last: their threads use all of the above, and end first.
  std::vector<std::unique_ptr<VcpuThread>> threads_;
};

}  // namespace drover::kvm
