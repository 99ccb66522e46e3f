// PagemapScanTracker for JavaScript.
#pragma once

#include <napi.h>

namespace drover::binding {

// Adds createPagemapScanTracker.
void init_tracker(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
