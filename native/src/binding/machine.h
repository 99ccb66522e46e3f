// KvmMachine for JavaScript.
#pragma once

#include <napi.h>

namespace drover::binding {

// Adds createKvmMachine, findHypervisors and what kvm_host.h adds.
void init_machine(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
