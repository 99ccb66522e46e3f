#include "binding/hypervisors.h"

#include "core/hypervisor/hypervisors.h"

namespace drover::binding {

namespace {

Napi::Value hypervisors_array(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (const Hypervisor& found : find_hypervisors()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", found.name);
    entry.Set("usable", found.usable);
    entry.Set("why", found.why);
    list.Set(list.Length(), entry);
  }
  return list;
}

}  // namespace

void init_hypervisors(Napi::Env env, Napi::Object exports) {
  exports.Set("findHypervisors", Napi::Function::New(env, hypervisors_array, "findHypervisors"));
}

}  // namespace drover::binding
