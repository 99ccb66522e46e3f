// What this host offers to machines, for JavaScript.
#pragma once

#include <napi.h>

namespace drover::binding {

// Adds kvmHost, hostCpu, missingFromHost, probeStoppedClock and machinePayloadKinds; on x86-64 alone.
void init_kvm_host(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
