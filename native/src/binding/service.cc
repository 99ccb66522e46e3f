#include "binding/service.h"

#include "binding/arguments.h"
#include "binding/errors.h"
#include "core/service/notify.h"

namespace drover::binding {

namespace {

Napi::Value notify_service_manager_js(const Napi::CallbackInfo& info) {
  const auto address = read_string(info[0], "address");
  if (!address.ok()) return throw_error(info.Env(), address.error());
  const auto text = read_string(info[1], "text");
  if (!text.ok()) return throw_error(info.Env(), text.error());
  const Status told = notify_service_manager(address.value(), text.value());
  return told.ok() ? info.Env().Undefined() : throw_error(info.Env(), told.error());
}

}  // namespace

void init_service(Napi::Env env, Napi::Object exports) {
  exports.Set("notifyServiceManager", Napi::Function::New(env, notify_service_manager_js, "notifyServiceManager"));
}

}  // namespace drover::binding
