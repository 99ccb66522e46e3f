// A machine's state as payloads, one for each device. What their data holds is the hypervisor's own:
// core/kvm/state/SPEC.md, docs/bhyve.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace drover::machine {

struct Payload {
  std::string instance;  // which one of its kind: "cpu0", "com1"
  std::string kind;      // what it is: "machine/cpu"
  uint32_t version;      // of the kind's layout
  std::vector<uint8_t> data;
  bool operator==(const Payload&) const = default;
};

// A kind with the versions that this release reads, in order; the last is what it writes.
struct PayloadKind {
  const char* name;
  std::vector<uint32_t> versions;
};

// "cpu0 (machine/cpu version 1)", for sentences.
std::string describe(const Payload& payload);

}  // namespace drover::machine
