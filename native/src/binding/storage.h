#pragma once

#include <napi.h>

namespace drover::binding {

void init_storage(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
