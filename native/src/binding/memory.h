// GuestMemory for JavaScript, and the descriptor calls around it.
#pragma once

#include <napi.h>

#include <memory>

#include "core/base/result.h"
#include "core/memory/guest_memory.h"

namespace drover::binding {

// Adds openMemory, createMemfd, closeFd and tryLock.
void init_memory(Napi::Env env, Napi::Object exports);

// The memory behind a GuestMemory object; an error when `value` is none or was closed. The shared_ptr keeps the mapping
// alive when the object is closed while a thread works on it.
Result<std::shared_ptr<GuestMemory>> memory_of(const Napi::Value& value);

}  // namespace drover::binding
