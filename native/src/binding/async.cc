#include "binding/async.h"

#include "binding/urgency.h"
#include "core/scheduling/urgency.h"

namespace drover::binding {

namespace {

// The instance data only holds the reference; threads may hold the JsThread for longer.
struct EnvironmentData {
  std::shared_ptr<JsThread> js;
};

// False in a worker that is being terminated, although its event loop still turns: every call that could run JavaScript
// fails there, and node-addon-api would end the process over it.
bool can_run_javascript(Napi::Env env) {
  bool unused = false;
  return napi_has_named_property(env, env.Global(), "undefined", &unused) == napi_ok;
}

}  // namespace

void JsThread::create(Napi::Env env) {
  auto js = std::make_shared<JsThread>();
  env.SetInstanceData(new EnvironmentData{js});
  js->mailbox_ = Mailbox::New(env, "drover", 0, 1, nullptr, [js](Napi::Env, void*, std::nullptr_t*) {
    // The mailbox is freed right after this, even if threads still hold it.
    std::lock_guard lock(js->mutex_);
    js->open_ = false;
  });
  js->open_ = true;
  js->mailbox_.Unref(env);
  // Registered after the mailbox, so it runs before the mailbox closes.
  napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<JsThread*>(self)->tear_down(); }, js.get());
}

std::shared_ptr<JsThread> JsThread::of(Napi::Env env) { return env.GetInstanceData<EnvironmentData>()->js; }

void JsThread::call_js(Napi::Env env, Napi::Function, std::nullptr_t*, Call* call) {
  std::unique_ptr<Call> owned(call);
  if (static_cast<napi_env>(env) == nullptr || !can_run_javascript(env)) return;
  (*owned)(env);
  // A callback that throws is the caller's bug: let it be an uncaught exception as from any other event.
  if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
}

bool JsThread::post(Call call) {
  auto owned = std::make_unique<Call>(std::move(call));
  std::lock_guard lock(mutex_);
  if (!open_ || mailbox_.NonBlockingCall(owned.get()) != napi_ok) return false;
  owned.release();
  return true;
}

void JsThread::hold(Napi::Env env) {
  if (holds_++ == 0 && !torn_down_) mailbox_.Ref(env);
}

void JsThread::release(Napi::Env env) {
  if (--holds_ == 0 && !torn_down_) mailbox_.Unref(env);
}

void JsThread::run(std::function<void()> work, std::function<void()> cancel) {
  if (torn_down_) return;
  const uint64_t id = next_id_++;
  Worker& worker = workers_[id];
  worker.cancel = std::move(cancel);
  worker.thread = std::thread([self = shared_from_this(), id, work = std::move(work)]() mutable {
    work();
    work = nullptr;
    self->post([self, id](Napi::Env) {
      auto at = self->workers_.find(id);
      if (at == self->workers_.end()) return;
      at->second.thread.join();
      self->workers_.erase(at);
    });
  });
  // It works for a thread that waits for it.
  if (is_urgent()) make_urgent(worker.thread.native_handle());
}

uint64_t JsThread::at_teardown(std::function<void()> stop) {
  const uint64_t id = next_id_++;
  stops_[id] = std::move(stop);
  return id;
}

void JsThread::forget(uint64_t id) { stops_.erase(id); }

uint64_t JsThread::keep(Napi::Function function) {
  const uint64_t id = next_id_++;
  kept_[id] = Napi::Persistent(function);
  return id;
}

void JsThread::drop(uint64_t id) { kept_.erase(id); }

Napi::FunctionReference* JsThread::kept(uint64_t id) {
  auto at = kept_.find(id);
  return at == kept_.end() ? nullptr : &at->second;
}

void JsThread::keep_class(const std::string& name, Napi::Function constructor) {
  classes_[name] = Napi::Persistent(constructor);
}

Napi::Function JsThread::class_named(const std::string& name) { return classes_.at(name).Value(); }

void JsThread::tear_down() {
  torn_down_ = true;
  while (!stops_.empty()) {
    auto newest = std::prev(stops_.end());
    auto stop = std::move(newest->second);
    stops_.erase(newest);
    stop();
  }
  for (auto& [id, worker] : workers_) {
    if (worker.cancel) worker.cancel();
  }
  for (auto& [id, worker] : workers_) worker.thread.join();
  workers_.clear();
  kept_.clear();
  classes_.clear();
}

std::shared_ptr<PendingPromise> PendingPromise::create(Napi::Env env) {
  auto js = JsThread::of(env);
  js->hold(env);
  return std::make_shared<PendingPromise>(env, std::move(js));
}

PendingPromise::PendingPromise(Napi::Env env, std::shared_ptr<JsThread> js)
    : js_(std::move(js)), deferred_(Napi::Promise::Deferred::New(env)) {}

void PendingPromise::resolve(std::function<Napi::Value(Napi::Env)> value) {
  settle([self = shared_from_this(), value = std::move(value)](Napi::Env env) { self->deferred_.Resolve(value(env)); });
}

void PendingPromise::resolve_undefined() {
  resolve([](Napi::Env env) { return env.Undefined(); });
}

void PendingPromise::reject(Error error) {
  settle([self = shared_from_this(), error = std::move(error)](Napi::Env env) {
    self->deferred_.Reject(js_error(env, error));
  });
}

void PendingPromise::settle(std::function<void(Napi::Env)> settlement) {
  if (settled_.exchange(true)) return;
  js_->post([js = js_, settlement = std::move(settlement)](Napi::Env env) {
    js->release(env);
    settlement(env);
  });
}

JsCallback::JsCallback(Napi::Env env, Napi::Function function) : js_(JsThread::of(env)), id_(js_->keep(function)) {}

bool JsCallback::post(std::function<std::vector<napi_value>(Napi::Env)> arguments,
                      std::function<void()> dropped) const {
  const bool posted = js_->post([js = js_, id = id_, arguments = std::move(arguments), dropped](Napi::Env env) {
    Napi::FunctionReference* function = js->kept(id);
    if (function != nullptr) {
      function->Value().Call(arguments(env));
    } else if (dropped) {
      dropped();
    }
  });
  if (!posted && dropped) dropped();
  return posted;
}

void JsCallback::close() { js_->drop(id_); }

Napi::Value rejected(Napi::Env env, const Error& error) {
  auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(js_error(env, error));
  return deferred.Promise();
}

}  // namespace drover::binding
