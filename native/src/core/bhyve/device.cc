#include "core/bhyve/device.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "core/base/unique_fd.h"

namespace drover::bhyve {

namespace {

class HostDevice final : public Device {
 public:
  HostDevice(UniqueFd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  int control(int request, uintptr_t argument) override {
    return ::ioctl(file_.get(), static_cast<unsigned long>(request), argument);
  }

  Result<Mapping> map(uint64_t offset, uint64_t bytes) override {
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), static_cast<off_t>(offset));
    if (at == MAP_FAILED) return errno_error("mmap(" + path_ + ")", "a VM's memory could not be mapped");
    return Mapping(static_cast<uint8_t*>(at), bytes);
  }

 private:
  const UniqueFd file_;
  const std::string path_;
};

class HostDevices final : public Devices {
 public:
  Result<std::unique_ptr<Device>> open(const std::string& path) override {
    UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (file.valid()) return std::unique_ptr<Device>(std::make_unique<HostDevice>(std::move(file), path));
    Error error = errno_error("open(" + path + ")", "bhyve cannot be used");
    if (error.code == Code::permission) {
      error.message = "bhyve cannot be used: this process may not open " + path + "; run it as a user who may";
    } else if (error.error_number == ENOENT || error.error_number == ENXIO || error.error_number == ENODEV) {
      error.code = Code::unsupported;
      error.message = "this host has no " + path +
                      ": bhyve is here only on illumos with the vmm driver loaded; use the driver machine on /dev/kvm, "
                      "or the driver qemu";
    }
    return error;
  }
};

}  // namespace

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

std::shared_ptr<Devices> host_devices() { return std::make_shared<HostDevices>(); }

}  // namespace drover::bhyve
