// Which hypervisor runs machines on this host.
//
// Linux has KVM and illumos has bhyve; a host has one of them at most. What each can do above the core is stated here
// too, so that whoever is refused learns what is missing.
#pragma once

#include <string>
#include <vector>

#include "core/bhyve/device.h"

namespace drover {

struct Hypervisor {
  const char* name;  // "kvm", "bhyve"
  bool usable;
  std::string why;  // not usable: a sentence with the remedy
};

// Asks the devices of this host, each time.
std::vector<Hypervisor> find_hypervisors(bhyve::Devices& devices = *bhyve::host_devices());

}  // namespace drover
