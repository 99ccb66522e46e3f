// A machine as whoever moves it sees it, on any hypervisor.
//
//   made --boot or load--> paused <--pause / resume--> running --guest ends or fails--> ended
//
// How it is made, booted and looked at is the hypervisor's: core/kvm/machine.h, core/bhyve/machine.h. Calls may come
// from any thread and wait for each other; none but pause() waits for the guest.
#pragma once

#include <chrono>
#include <vector>

#include "core/base/result.h"
#include "core/dirty/dirty_tracker.h"
#include "core/machine/payload.h"
#include "core/machine/time.h"

namespace drover::machine {

class Machine {
 public:
  enum class State { made, paused, running, ended };

  virtual ~Machine() = default;

  virtual State state() = 0;
  // Errors: closed (nothing to run, or ended), system_call.
  virtual Status resume() = 0;
  // Returns once no guest code runs. Nothing to do unless running. Errors: timeout; the pause stays asked for, and
  // pause may be called again.
  virtual Status pause(std::chrono::milliseconds timeout) = 0;
  // The whole state but memory. Errors: closed (not paused), system_call.
  virtual Result<std::vector<Payload>> save() = 0;
  // Takes on a state, once, into a fresh machine. All of it is read before anything is set. Errors: invalid_argument (a
  // payload is malformed, missing, there twice, or of no device of this machine), unsupported (a version, a feature or
  // a register that this host lacks). After an error the machine must be thrown away.
  virtual Status load(const std::vector<Payload>& payloads, ClockMode mode) = 0;
  // Start and stop at any time; see DirtyTracker.
  virtual DirtyTracker& tracker() = 0;
};

}  // namespace drover::machine
