#include "core/machine/payload.h"

namespace drover::machine {

std::string describe(const Payload& payload) {
  return payload.instance + " (" + payload.kind + " version " + std::to_string(payload.version) + ")";
}

}  // namespace drover::machine
