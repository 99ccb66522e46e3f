#include "binding/probe.h"

#include "core/probe/kvm_probe.h"
#include "core/probe/tracking_probe.h"

namespace drover::binding {

namespace {

Napi::Value answer(Napi::Env env, const ProbeAnswer& found) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("ok", found.ok);
  result.Set("detail", found.detail);
  return result;
}

Napi::Value probe_tracking_js(const Napi::CallbackInfo& info) {
  const TrackingProbe found = probe_tracking();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("userfaultfd", answer(info.Env(), found.userfaultfd));
  result.Set("asyncWriteProtect", answer(info.Env(), found.async_write_protect));
  result.Set("pagemapScan", answer(info.Env(), found.pagemap_scan));
  return result;
}

Napi::Value probe_kvm_js(const Napi::CallbackInfo& info) {
  const KvmProbe found = probe_kvm();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("kind", kind_name(found.kind));
  result.Set("detail", found.detail);
  return result;
}

}  // namespace

void init_probe(Napi::Env env, Napi::Object exports) {
  exports.Set("probeTracking", Napi::Function::New(env, probe_tracking_js, "probeTracking"));
  exports.Set("probeKvm", Napi::Function::New(env, probe_kvm_js, "probeKvm"));
}

}  // namespace drover::binding
