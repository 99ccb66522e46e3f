#include "binding/errors.h"

namespace drover::binding {

Napi::Value js_error(Napi::Env env, const Error& error) {
  Napi::Object value = Napi::Error::New(env, error.message).Value();
  value.Set("name", Napi::String::New(env, "NativeError"));
  value.Set("code", Napi::String::New(env, code_name(error.code)));
  value.Set("errno", error.error_number == 0 ? env.Null() : Napi::Number::New(env, error.error_number));
  value.Set("syscall", error.syscall.empty() ? env.Null() : Napi::String::New(env, error.syscall));
  return value;
}

Napi::Value throw_error(Napi::Env env, const Error& error) {
  napi_throw(env, js_error(env, error));
  return env.Undefined();
}

}  // namespace drover::binding
