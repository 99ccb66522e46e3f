#include "core/hypervisor/hypervisors.h"

#include "core/bhyve/interface_version.h"

#if defined(__x86_64__)
#include "core/kvm/host.h"
#endif

namespace drover {

namespace {

Hypervisor find_kvm() {
#if defined(__x86_64__)
  auto host = kvm::Host::open();
  return {"kvm", host.ok(), host.ok() ? "" : host.error().message};
#else
  return {"kvm", false, "machines run on x86-64 alone; use the driver qemu"};
#endif
}

// The core runs a VM on it, and nothing above has it boot or move one yet: docs/bhyve.md.
Hypervisor find_bhyve(bhyve::Devices& devices) {
  auto control = devices.open(bhyve::kControlPath);
  if (!control) return {"bhyve", false, control.error().message};
  if (auto version = bhyve::InterfaceVersion::ask(*control.value()); !version) {
    return {"bhyve", false, version.error().message};
  }
  return {"bhyve", false,
          "this host has bhyve, on which machines of this release cannot be started yet; use a host with /dev/kvm"};
}

}  // namespace

std::vector<Hypervisor> find_hypervisors(bhyve::Devices& devices) { return {find_kvm(), find_bhyve(devices)}; }

}  // namespace drover
