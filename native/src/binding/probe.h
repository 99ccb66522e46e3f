// The host probes for JavaScript.
#pragma once

#include <napi.h>

namespace drover::binding {

// Adds probeKvm and probeTracking.
void init_probe(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
