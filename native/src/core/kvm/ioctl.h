// Calls into the hypervisor device, with the call's name and errno in every error.
#pragma once

#include <sys/ioctl.h>

#include <cstdint>
#include <string>

#include "core/base/result.h"

namespace drover::kvm {

// The call's own answer, 0 or more. `name` is the constant's name; `what` begins the sentence of the error.
inline Result<int> query(int fd, unsigned long request, const char* name, unsigned long argument,
                         const std::string& what) {
  const int answer = ::ioctl(fd, request, argument);
  if (answer >= 0) return answer;
  return errno_error(std::string("ioctl(") + name + ")", what);
}

inline Status call(int fd, unsigned long request, const char* name, const void* argument, const std::string& what) {
  auto answer = query(fd, request, name, reinterpret_cast<uintptr_t>(argument), what);
  if (!answer) return answer.error();
  return success();
}

}  // namespace drover::kvm

// The constant once, as number and as name.
#define DROVER_KVM_NAMED(request) request, #request
