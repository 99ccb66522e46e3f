#include "core/kvm/host.h"

#include <fcntl.h>

#include <algorithm>
#include <string>

#include "core/kvm/ioctl.h"
#include "core/kvm/uapi.h"
#include "core/machine/boot/mp_table.h"

namespace drover::kvm {

namespace {

struct Need {
  int capability;
  const char* name;
};

// What no VM of ours can do without.
constexpr Need kNeeds[] = {
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
    {KVM_CAP_PIT2, "KVM_CAP_PIT2"},
    {KVM_CAP_PIT_STATE2, "KVM_CAP_PIT_STATE2"},
    {KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
    {KVM_CAP_XCRS, "KVM_CAP_XCRS"},
    {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
    {KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
    {KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ"},
};
constexpr const char* kHost = "this host's KVM cannot be asked";

}  // namespace

Result<std::shared_ptr<const Host>> Host::open() {
  UniqueFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid()) {
    Error error = errno_error("open(/dev/kvm)", "this host runs no machine");
    if (error.code == Code::permission) {
      error.message += "; run as root or add the user to the group kvm";
    } else {
      error.code = Code::unsupported;
      error.message += "; load kvm_intel or kvm_amd, or use the driver qemu";
    }
    return error;
  }
  std::shared_ptr<Host> host(new Host(std::move(kvm)));
  if (Status asked = host->ask(); !asked) return asked.error();
  return std::shared_ptr<const Host>(std::move(host));
}

int Host::extension(int capability) const { return std::max(0, ::ioctl(fd(), KVM_CHECK_EXTENSION, capability)); }

bool Host::has_dirty_log() const {
  constexpr int kWanted = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;
  return (extension(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) & kWanted) == kWanted;
}

size_t Host::dirty_ring_bytes() const {
  return static_cast<size_t>(std::max(extension(KVM_CAP_DIRTY_LOG_RING_ACQ_REL), extension(KVM_CAP_DIRTY_LOG_RING)));
}

Status Host::ask() {
  auto version = query(fd(), DROVER_KVM_NAMED(KVM_GET_API_VERSION), 0, kHost);
  if (!version) return version.error();
  if (version.value() != KVM_API_VERSION) {
    return Error{Code::unsupported, "this host's KVM has API version " + std::to_string(version.value()) +
                                        ", and only version 12 is known; use the driver qemu"};
  }
  for (const Need& need : kNeeds) {
    if (extension(need.capability) != 0) continue;
    return Error{Code::unsupported,
                 std::string("this host's KVM lacks ") + need.name + ", which a machine needs; use the driver qemu"};
  }
  // Beyond what the MP table names an operating system would not find them.
  max_vcpus_ = std::min(static_cast<unsigned>(std::max(1, extension(KVM_CAP_MAX_VCPUS))), machine::kProcessorsMax);
  xsave_bytes_ = std::clamp(static_cast<size_t>(extension(KVM_CAP_XSAVE2)), uapi::kXsaveBytes, uapi::kXsaveBytesMax);

  auto run_bytes = query(fd(), DROVER_KVM_NAMED(KVM_GET_VCPU_MMAP_SIZE), 0, kHost);
  if (!run_bytes) return run_bytes.error();
  run_bytes_ = static_cast<size_t>(run_bytes.value());
  if (run_bytes_ < sizeof(kvm_run)) {
    return Error{Code::unsupported, "this host's KVM shares too little of a processor's state to run one"};
  }

  uapi::CpuidList cpuid;
  cpuid.count = cpuid.entries.size();
  if (Status got = call(fd(), uapi::kGetSupportedCpuid, "KVM_GET_SUPPORTED_CPUID", &cpuid, kHost); !got) return got;
  cpuid_.assign(cpuid.entries.begin(), cpuid.entries.begin() + cpuid.count);

  uapi::MsrIndexList indices;
  indices.count = indices.indices.size();
  if (Status got = call(fd(), uapi::kGetMsrIndexList, "KVM_GET_MSR_INDEX_LIST", &indices, kHost); !got) return got;
  msrs_.assign(indices.indices.begin(), indices.indices.begin() + indices.count);
  return success();
}

}  // namespace drover::kvm
