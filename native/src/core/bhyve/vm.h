// One VM of bhyve: its device file, its memory, and whether the kernel holds it still.
//
// The kernel keeps a VM until it is destroyed, whatever becomes of the process: a Vm destroys what it made, and has the
// kernel do it should the process die.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "core/bhyve/device.h"
#include "core/bhyve/interface_version.h"
#include "core/bhyve/memory.h"

namespace drover::bhyve {

class Vm {
 public:
  struct Options {
    std::string name;  // 1-127 bytes, unique on the host, no slash
    uint64_t memory_bytes = 0;
    // Has the kernel note writes from the start. It costs nothing while nobody asks. Where the processor lacks dirty
    // bits in nested page tables a VM can only be made without.
    bool track_writes = true;
    // Memory from the host's reservoir, which is set aside for VMs, rather than from what is free.
    bool from_reservoir = false;
  };

  // Errors: unsupported (no bhyve, an interface that is not known, no tracking of writes here), permission,
  // invalid_argument (the name is malformed or taken), limit (no memory left), system_call. After an error nothing is
  // left behind.
  static Result<std::shared_ptr<Vm>> create(Devices& devices, const Options& options);
  ~Vm();
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  Device& device() const { return *device_; }
  const InterfaceVersion& interface_version() const { return version_; }
  const Memory& memory() const { return memory_; }

  // Stops and starts the kernel's own devices, with their timers. Prerequisite of pause: every processor is out of the
  // guest with no instruction half emulated (VcpuThread), else what it waits for is lost. Nothing to do where it is so
  // already.
  Status pause();
  Status resume();

  // Whether the kernel's dirty bits tell every page written since the VM was made. Once lost, it is for good.
  bool dirty_bits_whole() const { return dirty_bits_whole_; }
  void lose_dirty_bits() { dirty_bits_whole_ = false; }

 private:
  Vm(std::string name, InterfaceVersion version, std::unique_ptr<Device> control);
  Status make(Devices& devices, const Options& options);

  const std::string name_;
  const InterfaceVersion version_;
  const std::unique_ptr<Device> control_;
  bool made_ = false;
  std::atomic<bool> dirty_bits_whole_ = false;
  std::unique_ptr<Device> device_;
  Memory memory_;
};

}  // namespace drover::bhyve
