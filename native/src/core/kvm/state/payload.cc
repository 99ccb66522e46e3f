#include "core/kvm/state/payload.h"

namespace drover::kvm {

const std::vector<PayloadKind>& payload_kinds() {
  static const std::vector<PayloadKind> kinds = {
      {"machine/cpu", {1}}, {"machine/cpuid", {1}},  {"machine/ioapic", {1}}, {"machine/pic", {1}},
      {"machine/pit", {1}}, {"machine/serial", {1}}, {"machine/time", {1}},
  };
  return kinds;
}

std::string describe(const Payload& payload) {
  return payload.instance + " (" + payload.kind + " version " + std::to_string(payload.version) + ")";
}

}  // namespace drover::kvm
