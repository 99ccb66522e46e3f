// The fake kernel's calls: making VMs, running processors, and who waits for whom. Part of fake_host.h.
#pragma once

#include <chrono>

#include "bhyve/fake_host.h"

namespace drover::bhyve {

// A descriptor of a fake device file.
class FakeDevice final : public Device {
 public:
  FakeDevice(std::shared_ptr<FakeHost> host, std::shared_ptr<FakeVm> vm) : host_(std::move(host)), vm_(std::move(vm)) {}
  ~FakeDevice() override {
    if (vm_) host_->closed(*vm_);
  }
  int control(int request, uintptr_t argument) override {
    return vm_ ? host_->vm_call(*vm_, request, argument) : host_->control_call(request, argument);
  }
  Result<Mapping> map(uint64_t offset, uint64_t bytes) override { return host_->map(*vm_, offset, bytes); }

 private:
  const std::shared_ptr<FakeHost> host_;
  const std::shared_ptr<FakeVm> vm_;
};

inline Result<std::unique_ptr<Device>> FakeHost::open(const std::string& path) {
  std::lock_guard lock(mutex);
  if (path == kControlPath) return std::unique_ptr<Device>(std::make_unique<FakeDevice>(shared_from_this(), nullptr));
  const auto at = vms.find(path.substr(std::string("/dev/vmm/").size()));
  if (at == vms.end()) {
    errno = ENOENT;
    return errno_error("open(" + path + ")", "no such VM");
  }
  ++at->second->open_devices;
  return std::unique_ptr<Device>(std::make_unique<FakeDevice>(shared_from_this(), at->second));
}

inline int FakeHost::control_call(int request, uintptr_t argument) {
  std::lock_guard lock(mutex);
  switch (request) {
    case abi::VMM_INTERFACE_VERSION: return settings.has_version_call ? settings.version : failed(ENOTTY);
    case abi::VMM_CREATE_VM: {
      const auto& create = *reinterpret_cast<abi::vm_create_req*>(argument);
      const size_t length = ::strnlen(create.name, sizeof create.name);
      if (length == 0 || std::memchr(create.name, '/', length) != nullptr) return failed(EINVAL);
      if (length >= sizeof create.name) return failed(ENAMETOOLONG);
      if (vms.contains(create.name)) return failed(EEXIST);
      const bool track = (create.flags & abi::VCF_TRACK_DIRTY) != 0;
      if (track && !settings.hardware_dirty_bits) return failed(ENOTSUP);
      auto vm = std::make_shared<FakeVm>();
      vm->name = create.name;
      vm->tracked = track;
      vm->time.vt_guest_freq = settings.tsc_hz;
      vm->time.vt_boot_hrtime = settings.hrtime;
      vms[create.name] = vm;
      return 0;
    }
    case abi::VMM_DESTROY_VM: {
      const auto& destroy = *reinterpret_cast<abi::vm_destroy_req*>(argument);
      return vms.erase(destroy.name) == 1 ? 0 : failed(ENOENT);
    }
    default: return failed(ENOTTY);
  }
}

inline int FakeHost::run(FakeVm& vm, abi::vm_entry& entry, std::unique_lock<std::mutex>& lock) {
  FakeVcpu& vcpu = vm.vcpus[entry.cpuid];
  if (!vcpu.active) return failed(EINVAL);
  if (vm.paused) return failed(EBUSY);
  auto& out = *static_cast<abi::vm_exit*>(entry.exit_data);
  const uint32_t command = entry.cmd;
  if (command != abi::VEC_DEFAULT) {
    const int32_t expected = command == abi::VEC_FULFILL_MMIO ? abi::VM_EXITCODE_MMIO : abi::VM_EXITCODE_INOUT;
    if (!vcpu.pending || vcpu.pending->exitcode != expected) return failed(EINVAL);
    vcpu.pending.reset();
    vcpu.answered = entry;
  }
  if (vcpu.pending) {
    out = *vcpu.pending;  // nothing else happens until it is answered
    return 0;
  }
  vcpu.in_guest = true;
  out = {};
  out.exitcode = abi::VM_EXITCODE_BOGUS;
  for (bool first = true;; first = false) {
    if (vcpu.wanted_idle > 0) break;
    if (vcpu.suspended) {
      out.exitcode = abi::VM_EXITCODE_DEBUG;
      break;
    }
    if (vcpu.guest) {
      lock.unlock();  // guest code takes the lock itself
      auto exit = vcpu.guest(first ? entry : abi::vm_entry{});
      lock.lock();
      if (exit) {
        out = *exit;
        if (out.exitcode == abi::VM_EXITCODE_INOUT || out.exitcode == abi::VM_EXITCODE_MMIO) vcpu.pending = out;
        break;
      }
    }
    changed.wait_for(lock, std::chrono::microseconds(200));
  }
  vcpu.in_guest = false;
  changed.notify_all();
  return 0;
}

inline int FakeHost::vm_call(FakeVm& vm, int request, uintptr_t argument) {
  std::unique_lock lock(mutex);
  if (fault && fault->request == request && !fault->after && fault->skip-- == 0) {
    const int error = fault->error;
    fault.reset();
    return failed(error);
  }
  const int family = request & ~0xff;
  if (family == abi::kVcpu) {
    const int index = *reinterpret_cast<int32_t*>(argument);
    if (index < 0 || index >= abi::kVcpusMax) return failed(EINVAL);
    lock_vcpu(vm.vcpus[index], lock);
  } else if (family == abi::kLocked) {
    for (FakeVcpu& vcpu : vm.vcpus) lock_vcpu(vcpu, lock);
  } else if (request == abi::VM_DATA_READ || request == abi::VM_DATA_WRITE) {
    const int index = reinterpret_cast<abi::vm_data_xfer*>(argument)->vdx_vcpuid;
    if (index >= 0 && index < abi::kVcpusMax) lock_vcpu(vm.vcpus[index], lock);
  }
  sync(vm);
  if (request == abi::VM_DATA_WRITE) changes.push_back(reinterpret_cast<abi::vm_data_xfer*>(argument)->vdx_class);
  if (request == abi::VM_SET_REGISTER_SET || request == abi::VM_SET_RUN_STATE) changes.push_back(request);
  const auto vcpu = [&]() -> FakeVcpu& { return vm.vcpus[*reinterpret_cast<int32_t*>(argument)]; };
  int answer = 0;
  switch (request) {
    case abi::VM_RUN: answer = run(vm, *reinterpret_cast<abi::vm_entry*>(argument), lock); break;
    case abi::VM_ACTIVATE_CPU:
      if (vcpu().active) return failed(EBUSY);
      vcpu().active = true;
      break;
    case abi::VM_RESET_CPU: vcpu().registers.clear(); break;
    case abi::VM_INJECT_EXCEPTION: ++vcpu().faults; break;
    case abi::VM_SUSPEND_CPU:
      if (!vcpu().active) return failed(EINVAL);
      vcpu().suspended = true;
      changed.notify_all();
      break;
    case abi::VM_RESUME_CPU:
      if (!vcpu().suspended) return failed(EINVAL);
      vcpu().suspended = false;
      break;
    case abi::VM_GET_REGISTER_SET:
    case abi::VM_SET_REGISTER_SET: {
      auto& set = *reinterpret_cast<abi::vm_register_set*>(argument);
      if (set.count == 0 || set.count > abi::VM_REG_LAST) return failed(EINVAL);
      for (uint32_t index = 0; index < set.count; ++index) {
        uint64_t& value = vcpu().registers[set.regnums[index]];
        (request == abi::VM_SET_REGISTER_SET ? value : set.regvals[index]) =
            request == abi::VM_SET_REGISTER_SET ? set.regvals[index] : value;
      }
      break;
    }
    case abi::VM_GET_SEGMENT_DESCRIPTOR:
    case abi::VM_SET_SEGMENT_DESCRIPTOR: {
      auto& segment = *reinterpret_cast<abi::vm_seg_desc*>(argument);
      abi::vm_seg_desc& kept = vcpu().segments.try_emplace(segment.regnum, segment).first->second;
      (request == abi::VM_SET_SEGMENT_DESCRIPTOR ? kept : segment) =
          request == abi::VM_SET_SEGMENT_DESCRIPTOR ? segment : kept;
      break;
    }
    case abi::VM_GET_RUN_STATE: {
      // The kernel fills in all but the number of the processor.
      abi::vm_run_state state = vcpu().run_state;
      state.vcpuid = 0;
      *reinterpret_cast<abi::vm_run_state*>(argument) = state;
      break;
    }
    case abi::VM_SET_RUN_STATE: vcpu().run_state = *reinterpret_cast<abi::vm_run_state*>(argument); break;
    case abi::VM_DESC_FPU_AREA: reinterpret_cast<abi::vm_fpu_desc*>(argument)->vfd_req_size = settings.fpu_bytes; break;
    case abi::VM_GET_FPU:
    case abi::VM_SET_FPU: {
      auto& state = *reinterpret_cast<abi::vm_fpu_state*>(argument);
      if (state.len != settings.fpu_bytes) return failed(EINVAL);
      vcpu().fpu.resize(state.len);
      auto* bytes = static_cast<uint8_t*>(state.buf);
      if (request == abi::VM_GET_FPU) {
        std::memcpy(bytes, vcpu().fpu.data(), state.len);
      } else {
        vcpu().fpu.assign(bytes, bytes + state.len);
      }
      break;
    }
    case abi::VM_ALLOC_MEMSEG: {
      const auto& wanted = *reinterpret_cast<abi::vm_memseg*>(argument);
      if (wanted.len == 0 || wanted.len % kPageSize != 0) return failed(EINVAL);
      if (vm.segments.contains(wanted.segid)) return failed(EEXIST);
      if (wanted.len > settings.memory_left) return failed(ENOMEM);
      settings.memory_left -= wanted.len;
      uint64_t offset = kFakeSegmentStart;
      for (const auto& [id, each] : vm.segments) offset = std::max(offset, each.offset + each.bytes);
      FakeSegment& segment = vm.segments[wanted.segid];
      segment.bytes = wanted.len;
      segment.offset = offset;
      segment.segment_file = create_memfd("segment", wanted.len).take();
      segment.guest_file = create_memfd("guest", wanted.len).take();
      break;
    }
    case abi::VM_MMAP_MEMSEG: {
      const auto& map = *reinterpret_cast<abi::vm_memmap*>(argument);
      const auto at = vm.segments.find(map.segid);
      if (at == vm.segments.end() || map.gpa % kPageSize != 0 || map.segoff != 0 || map.len != at->second.bytes) {
        return failed(EINVAL);
      }
      at->second.guest_address = map.gpa;
      break;
    }
    case abi::VM_DEVMEM_GETOFFSET: {
      auto& place = *reinterpret_cast<abi::vm_devmem_offset*>(argument);
      const auto at = vm.segments.find(place.segid);
      if (at == vm.segments.end()) return failed(ENOENT);
      place.offset = static_cast<int64_t>(at->second.offset);
      break;
    }
    case abi::VM_PAUSE:
    case abi::VM_RESUME:
      if (vm.paused == (request == abi::VM_PAUSE)) return failed(EALREADY);
      vm.paused = request == abi::VM_PAUSE;
      break;
    case abi::VM_SET_AUTODESTRUCT:
      if (!settings.has_autodestruct) return failed(ENOTTY);
      vm.autodestruct = argument != 0;
      break;
    case abi::VM_DATA_READ:
    case abi::VM_DATA_WRITE:
      answer = transfer(vm, *reinterpret_cast<abi::vm_data_xfer*>(argument), request == abi::VM_DATA_WRITE);
      break;
    case abi::VM_TRACK_DIRTY_PAGES:
      answer = dirty_pages(vm, *reinterpret_cast<abi::vmm_dirty_tracker*>(argument));
      break;
    case abi::VM_NPT_OPERATION: answer = npt_operation(vm, *reinterpret_cast<abi::vm_npt_operation*>(argument)); break;
    default: return failed(ENOTTY);
  }
  if (fault && fault->request == request && fault->after && fault->skip-- == 0) {
    const int error = fault->error;
    fault.reset();
    return failed(error);
  }
  return answer;
}

}  // namespace drover::bhyve
