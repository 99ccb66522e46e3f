// KvmMachine for JavaScript.
#pragma once

#include <napi.h>

namespace drover::binding {

// Adds createKvmMachine, kvmHost, missingFeatures and machinePayloadKinds.
void init_machine(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
