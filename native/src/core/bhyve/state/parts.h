// The payloads of a VM one by one: how each is read from the kernel, checked, and set.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/bhyve/vm.h"
#include "core/bhyve/vm_data.h"
#include "core/machine/time.h"

namespace drover::bhyve {

using Bytes = std::vector<uint8_t>;

// One payload. Its bytes are understood by `check` before any part's `set` is called.
struct Part {
  std::string instance;
  const char* kind;
  bool required;
  std::function<Result<Bytes>()> get;
  std::function<Status(const Bytes&)> check;
  std::function<Status(const Bytes&)> set;
};

// In the order in which they are set: time first, because every timer is kept relative to the guest's boot; the run
// state last, because it says that the rest is there. When a device is added, its part goes in here and its kind into
// payload_kinds().
std::vector<Part> parts_of(Vm& vm, int vcpus, machine::ClockMode mode);

// The classes of data without which there are no parts.
std::vector<DataClass> required_classes();

}  // namespace drover::bhyve
