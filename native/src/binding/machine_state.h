// The device state of a KvmMachine, to and from JavaScript.
#pragma once

#include <napi.h>

#include <vector>

#include "core/base/result.h"
#include "core/machine/payload.h"
#include "core/machine/time.h"

namespace drover::binding {

// A machine's device state as JavaScript sees it: an array of {instance, kind, version, data}.
Napi::Value payload_array(Napi::Env env, std::vector<machine::Payload>& payloads);

// At most 65536 payloads; what each may hold is the core's to check.
Result<std::vector<machine::Payload>> read_payload_list(const Napi::Value& value);

Result<machine::ClockMode> read_clock(const Napi::Value& value);

}  // namespace drover::binding
