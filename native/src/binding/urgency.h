// A thread's urgency for JavaScript.
#pragma once

#include <napi.h>

namespace drover::binding {

// Whether this thread is urgent by beginUrgency.
bool is_urgent();

// Adds beginUrgency and endUrgency.
void init_urgency(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
