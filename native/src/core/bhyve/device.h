// The hypervisor's device files. Every call into bhyve goes through here, so that a test can stand in for the kernel.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "core/base/result.h"

namespace drover::bhyve {

// Shared memory of a device, readable and writable; unmaps itself.
class Mapping {
 public:
  Mapping() = default;
  Mapping(uint8_t* data, uint64_t bytes) : data_(data), bytes_(bytes) {}
  Mapping(Mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  uint8_t* data() const { return data_; }

 private:
  uint8_t* data_ = nullptr;
  uint64_t bytes_ = 0;
};

// One open device file. Calls may come from any thread.
class Device {
 public:
  virtual ~Device() = default;
  // ioctl(2): the call's answer, 0 or more; -1 and errno where it failed.
  virtual int control(int request, uintptr_t argument) = 0;
  // mmap(2), shared, for reading and writing.
  virtual Result<Mapping> map(uint64_t offset, uint64_t bytes) = 0;
};

class Devices {
 public:
  virtual ~Devices() = default;
  // Errors: unsupported (this host has no such device, because it is not illumos or its bhyve is not loaded),
  // permission, system_call.
  virtual Result<std::unique_ptr<Device>> open(const std::string& path) = 0;
};

inline constexpr const char* kControlPath = "/dev/vmmctl";
inline std::string vm_path(const std::string& name) { return "/dev/vmm/" + name; }

// The files of this host.
std::shared_ptr<Devices> host_devices();

}  // namespace drover::bhyve
