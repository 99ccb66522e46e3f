#pragma once

#include <napi.h>

namespace drover::binding {

// findHypervisors().
void init_hypervisors(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
