#include "binding/urgency.h"

#include <optional>

#include "binding/errors.h"
#include "core/scheduling/urgency.h"

namespace drover::binding {

namespace {

// Of the JavaScript thread; a worker has its own.
thread_local std::optional<Urgency> urgency;

Napi::Value begin_urgency(const Napi::CallbackInfo& info) {
  if (urgency) return info.Env().Undefined();
  auto raised = Urgency::raise();
  if (!raised) return throw_error(info.Env(), raised.error());
  urgency.emplace(raised.take());
  return info.Env().Undefined();
}

Napi::Value end_urgency(const Napi::CallbackInfo& info) {
  urgency.reset();
  return info.Env().Undefined();
}

}  // namespace

bool is_urgent() { return urgency.has_value(); }

void init_urgency(Napi::Env env, Napi::Object exports) {
  exports.Set("beginUrgency", Napi::Function::New(env, begin_urgency, "beginUrgency"));
  exports.Set("endUrgency", Napi::Function::New(env, end_urgency, "endUrgency"));
}

}  // namespace drover::binding
