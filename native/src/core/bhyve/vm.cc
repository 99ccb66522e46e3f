#include "core/bhyve/vm.h"

#include <cstring>

#include "core/bhyve/abi/memory.h"
#include "core/bhyve/abi/requests.h"
#include "core/bhyve/call.h"

namespace drover::bhyve {

namespace {

constexpr const char* kWhat = "the VM could not be made";

// EALREADY: the VM is as it was asked to be.
Status call_once(Device& device, int request, const char* name, const char* what) {
  auto answer = query(device, request, name, 0, what);
  if (answer || answer.error().error_number == EALREADY) return success();
  return answer.error();
}

// What a name of the right length and a known flag can be refused for.
Error creation_error(Error error, const Vm::Options& options) {
  if (error.error_number == EEXIST) {
    error.code = Code::invalid_argument;
    error.message = "this host has a VM named " + options.name + " already; destroy it, or choose another name";
  } else if (error.error_number == ENOTSUP && options.track_writes) {
    error.code = Code::unsupported;
    error.message =
        "this host's processor has no dirty bits in nested page tables, so bhyve cannot track a guest's writes; choose "
        "a host that has, or stop the guest for its migration";
  }
  return error;
}

}  // namespace

Vm::Vm(std::string name, InterfaceVersion version, std::unique_ptr<Device> control)
    : name_(std::move(name)), version_(version), control_(std::move(control)) {}

Result<std::shared_ptr<Vm>> Vm::create(Devices& devices, const Options& options) {
  if (options.name.empty() || options.name.size() >= abi::kNameBytes ||
      options.name.find_first_of(std::string("/\0", 2)) != std::string::npos || options.name == "." ||
      options.name == "..") {
    return Error{Code::invalid_argument, "a VM's name has 1 to 127 bytes and no slash"};
  }
  auto control = devices.open(kControlPath);
  if (!control) return control.error();
  auto version = InterfaceVersion::ask(*control.value());
  if (!version) return version.error();
  std::shared_ptr<Vm> vm(new Vm(options.name, version.value(), control.take()));
  if (Status made = vm->make(devices, options); !made) return made.error();
  return vm;
}

Status Vm::make(Devices& devices, const Options& options) {
  abi::vm_create_req request{};
  std::memcpy(request.name, name_.data(), name_.size());
  if (options.track_writes) request.flags |= abi::VCF_TRACK_DIRTY;
  if (options.from_reservoir) request.flags |= abi::VCF_RESERVOIR_MEM;
  if (Status created = call(*control_, DROVER_BHYVE_NAMED(VMM_CREATE_VM), &request, kWhat); !created) {
    return creation_error(created.error(), options);
  }
  made_ = true;
  auto device = devices.open(vm_path(name_));
  if (!device) return device.error();
  device_ = device.take();
  // A kernel without this call leaves the VM of a process that died to be destroyed by hand.
  auto set = query(*device_, DROVER_BHYVE_NAMED(VM_SET_AUTODESTRUCT), 1, kWhat);
  if (!set && set.error().error_number != ENOTTY) return set.error();
  auto memory = Memory::allocate(*device_, options.memory_bytes);
  if (!memory) return memory.error();
  memory_ = memory.take();
  // Without the operation that sets bits again, the first look at them loses some.
  dirty_bits_whole_ = options.track_writes && version_.has_npt_operation();
  return success();
}

Vm::~Vm() {
  if (!made_) return;
  memory_ = Memory{};
  device_.reset();
  abi::vm_destroy_req request{};
  std::memcpy(request.name, name_.data(), name_.size());
  // Gone already where the kernel destroyed it with the last descriptor.
  (void)control_->control(abi::VMM_DESTROY_VM, reinterpret_cast<uintptr_t>(&request));
}

Status Vm::pause() { return call_once(*device_, DROVER_BHYVE_NAMED(VM_PAUSE), "the VM could not be paused"); }

Status Vm::resume() { return call_once(*device_, DROVER_BHYVE_NAMED(VM_RESUME), "the VM could not be resumed"); }

}  // namespace drover::bhyve
