#include "core/bhyve/interface_version.h"

#include "core/bhyve/abi/requests.h"
#include "core/bhyve/call.h"

namespace drover::bhyve {

Result<InterfaceVersion> InterfaceVersion::ask(Device& control) {
  auto answer = query(control, DROVER_BHYVE_NAMED(VMM_INTERFACE_VERSION), 0, "bhyve's interface version is not known");
  if (!answer && answer.error().error_number == ENOTTY) {
    Error error = answer.error();
    error.code = Code::unsupported;
    error.message =
        "this host's bhyve has no VMM_INTERFACE_VERSION, so it is not illumos's: a bhyve without a log of written "
        "pages can only be stopped, copied and started by its own tools; use the driver qemu";
    return error;
  }
  if (!answer) return answer.error();
  if (answer.value() < kOldest || answer.value() > kNewest) {
    return Error{Code::unsupported, "this host's bhyve has interface version " + std::to_string(answer.value()) +
                                        ", and this release knows " + std::to_string(kOldest) + " to " +
                                        std::to_string(kNewest) +
                                        "; use a release that knows it, or a host that has one of these"};
  }
  return InterfaceVersion(answer.value());
}

}  // namespace drover::bhyve
