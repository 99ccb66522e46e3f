// DirtyBitmap for JavaScript.
#pragma once

#include <napi.h>

#include <memory>

#include "core/base/result.h"
#include "core/dirty/bitmap.h"

namespace drover::binding {

// Adds createBitmap, createSharedBitmap and openSharedBitmap.
void init_bitmap(Napi::Env env, Napi::Object exports);

// The bitmap behind a DirtyBitmap object; an error when `value` is none.
Result<std::shared_ptr<DirtyBitmap>> bitmap_of(const Napi::Value& value);

}  // namespace drover::binding
