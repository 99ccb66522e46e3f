// Core errors as JavaScript errors: message, code, errno and syscall, as NativeError of index.ts.
#pragma once

#include <napi.h>

#include "core/base/result.h"

namespace drover::binding {

Napi::Value js_error(Napi::Env env, const Error& error);

// Throws it and returns undefined, so that a method can end with `return throw_error(env, error);`.
Napi::Value throw_error(Napi::Env env, const Error& error);

inline Error invalid_argument(const std::string& message) { return Error{Code::invalid_argument, message}; }

}  // namespace drover::binding
