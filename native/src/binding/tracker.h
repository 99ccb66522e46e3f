// PagemapScanTracker for JavaScript.
#pragma once

#include <napi.h>

#include "core/dirty/dirty_tracker.h"

namespace drover::binding {

// Adds createPagemapScanTracker.
void init_tracker(Napi::Env env, Napi::Object exports);

// What a collection found, as index.ts has it; for every tracker.
Napi::Value collected_object(Napi::Env env, Collected& collected);

}  // namespace drover::binding
