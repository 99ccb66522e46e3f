#if defined(__x86_64__)

#include "binding/kvm_host.h"

#include <string>
#include <vector>

#include "binding/cpu_definition.h"
#include "binding/errors.h"
#include "core/kvm/cpu_features.h"
#include "core/kvm/cpuid.h"
#include "core/kvm/state/machine_state.h"
#include "core/kvm/stopped_clock.h"

namespace drover::binding {

namespace {

Napi::Value names_array(Napi::Env env, const std::vector<std::string>& names) {
  Napi::Array list = Napi::Array::New(env, names.size());
  for (uint32_t index = 0; index < names.size(); ++index) list.Set(index, names[index]);
  return list;
}

Napi::Value payload_kinds_object(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  for (const machine::PayloadKind& kind : kvm::payload_kinds()) {
    Napi::Array versions = Napi::Array::New(info.Env(), kind.versions.size());
    for (uint32_t index = 0; index < kind.versions.size(); ++index) {
      versions.Set(index, static_cast<double>(kind.versions[index]));
    }
    result.Set(kind.name, versions);
  }
  return result;
}

Napi::Value missing_from_host_object(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto wanted = read_definition(info[0]);
  if (!wanted) return throw_error(env, wanted.error());
  auto host = kvm::Host::open();
  if (!host) return throw_error(env, host.error());
  const kvm::MissingParts missing = kvm::missing_parts(wanted.value(), *host.value());
  Napi::Object result = Napi::Object::New(env);
  result.Set("features", names_array(env, missing.features));
  result.Set("msrs", names_array(env, missing.msrs));
  return result;
}

Napi::Value host_cpu_object(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto host = kvm::Host::open();
  if (!host) return throw_error(env, host.error());
  const std::vector<kvm_cpuid_entry2> offered = kvm::cpuid_of(*host.value(), 0, 1);
  Napi::Object result = Napi::Object::New(env);
  result.Set("vendor", kvm::vendor_in(offered));
  result.Set("model", kvm::model_in(offered));
  result.Set("features", names_array(env, kvm::features_in(offered)));
  return result;
}

Napi::Value host_object(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto opened = kvm::Host::open();
  if (!opened) return throw_error(env, opened.error());
  const kvm::Host& host = *opened.value();
  Napi::Array trackers = Napi::Array::New(env);
  if (host.has_dirty_log()) trackers.Set(trackers.Length(), "kvm-dirty-log");
  if (host.dirty_ring_bytes() != 0) trackers.Set(trackers.Length(), "kvm-dirty-ring");
  Napi::Object result = Napi::Object::New(env);
  result.Set("maxVcpus", static_cast<double>(host.max_vcpus()));
  result.Set("trackers", trackers);
  return result;
}

Napi::Value stopped_clock_object(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto host = kvm::Host::open();
  if (!host) return throw_error(env, host.error());
  const Status stops = kvm::check_stopped_clock(host.take());
  Napi::Object result = Napi::Object::New(env);
  result.Set("ok", stops.ok());
  result.Set("detail", stops.ok() ? "" : stops.error().message);
  return result;
}

}  // namespace

void init_kvm_host(Napi::Env env, Napi::Object exports) {
  exports.Set("machinePayloadKinds", Napi::Function::New(env, payload_kinds_object, "machinePayloadKinds"));
  exports.Set("missingFromHost", Napi::Function::New(env, missing_from_host_object, "missingFromHost"));
  exports.Set("hostCpu", Napi::Function::New(env, host_cpu_object, "hostCpu"));
  exports.Set("probeStoppedClock", Napi::Function::New(env, stopped_clock_object, "probeStoppedClock"));
  exports.Set("kvmHost", Napi::Function::New(env, host_object, "kvmHost"));
}

}  // namespace drover::binding

#endif
