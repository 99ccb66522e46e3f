// The service manager for JavaScript.
#pragma once

#include <napi.h>

namespace drover::binding {

// Adds notifyServiceManager.
void init_service(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
