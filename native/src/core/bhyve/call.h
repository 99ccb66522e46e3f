// Calls into bhyve, with the call's name and errno in every error.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "core/bhyve/device.h"

namespace drover::bhyve {

// The call's own answer, 0 or more. `name` is the constant's name; `what` begins the sentence of the error.
inline Result<int> query(Device& device, int request, const char* name, uintptr_t argument, const std::string& what) {
  const int answer = device.control(request, argument);
  if (answer >= 0) return answer;
  return errno_error(std::string("ioctl(") + name + ")", what);
}

inline Status call(Device& device, int request, const char* name, void* argument, const std::string& what) {
  auto answer = query(device, request, name, reinterpret_cast<uintptr_t>(argument), what);
  if (!answer) return answer.error();
  return success();
}

}  // namespace drover::bhyve

// The constant of abi once, as number and as name.
#define DROVER_BHYVE_NAMED(request) ::drover::bhyve::abi::request, #request
