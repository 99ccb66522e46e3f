// From native threads back to one environment's JavaScript thread.
//
// Every environment has one JsThread: a mailbox (a thread-safe function) and the list of native threads that work for
// it. Nothing here runs on libuv's pool. When the environment is torn down, running work is told to cancel and every
// thread is joined, so no thread ever meets a dead environment; what is posted afterwards is dropped.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "binding/errors.h"
#include "core/base/result.h"

namespace drover::binding {

class JsThread : public std::enable_shared_from_this<JsThread> {
 public:
  // Called once by the addon's start.
  static void create(Napi::Env env);
  // JavaScript thread only. Keep the shared_ptr to post from other threads.
  static std::shared_ptr<JsThread> of(Napi::Env env);

  // Any thread. Runs `call` on the JavaScript thread, in the order of posting. When the environment is gone `call` is
  // destroyed unrun on the calling thread, and the answer is false: it must hold nothing that only the JavaScript
  // thread may destroy (no Napi::Reference; use JsCallback).
  bool post(std::function<void(Napi::Env)> call);

  // JavaScript thread only; counted. While held, the event loop stays alive.
  void hold(Napi::Env env);
  void release(Napi::Env env);

  // JavaScript thread only. Runs `work` on a thread of its own. At tear-down `cancel` is called (from the JavaScript
  // thread) and the thread is joined, so `work` must end soon after it.
  void run(std::function<void()> work, std::function<void()> cancel);

  // JavaScript thread only. Runs `stop` at tear-down, newest first, unless forgotten before: for threads that an object
  // owns by itself.
  uint64_t at_teardown(std::function<void()> stop);
  void forget(uint64_t id);

  // JavaScript thread only: functions and classes kept for the life of the environment, found again by a number or
  // name.
  uint64_t keep(Napi::Function function);
  void drop(uint64_t id);
  Napi::FunctionReference* kept(uint64_t id);
  void keep_class(const std::string& name, Napi::Function constructor);
  Napi::Function class_named(const std::string& name);

 private:
  struct Worker {
    std::thread thread;
    std::function<void()> cancel;
  };
  using Call = std::function<void(Napi::Env)>;
  static void call_js(Napi::Env env, Napi::Function, std::nullptr_t*, Call* call);
  using Mailbox = Napi::TypedThreadSafeFunction<std::nullptr_t, Call, call_js>;

  void tear_down();

  std::mutex mutex_;  // guards mailbox_ against its own end
  Mailbox mailbox_;
  bool open_ = false;  // guarded by mutex_; false once the mailbox was finalized
  // The rest belongs to the JavaScript thread.
  bool torn_down_ = false;
  uint64_t holds_ = 0;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Worker> workers_;
  std::map<uint64_t, std::function<void()>> stops_;
  std::map<uint64_t, Napi::FunctionReference> kept_;
  std::map<std::string, Napi::FunctionReference> classes_;
};

// A promise that any thread may settle, once; later settlements are ignored. Keeps the event loop alive until then.
class PendingPromise : public std::enable_shared_from_this<PendingPromise> {
 public:
  static std::shared_ptr<PendingPromise> create(Napi::Env env);
  PendingPromise(Napi::Env env, std::shared_ptr<JsThread> js);

  // JavaScript thread only.
  Napi::Promise promise() const { return deferred_.Promise(); }
  // Any thread. `value` runs on the JavaScript thread.
  void resolve(std::function<Napi::Value(Napi::Env)> value);
  void resolve_undefined();
  void reject(Error error);

 private:
  void settle(std::function<void(Napi::Env)> settlement);

  std::shared_ptr<JsThread> js_;
  Napi::Promise::Deferred deferred_;
  std::atomic<bool> settled_{false};
};

// A JavaScript function that any thread may have called. Does not keep the event loop alive.
class JsCallback {
 public:
  // JavaScript thread only.
  JsCallback(Napi::Env env, Napi::Function function);
  // Any thread. `arguments` runs on the JavaScript thread. False when the environment is gone (then `dropped`, if
  // given, has run on this thread: the place to close a descriptor that would have been handed over). `dropped` runs on
  // the JavaScript thread when the callback was closed in between.
  bool post(std::function<std::vector<napi_value>(Napi::Env)> arguments, std::function<void()> dropped = {}) const;
  // JavaScript thread only; idempotent. Nothing is called afterwards.
  void close();

 private:
  std::shared_ptr<JsThread> js_;
  uint64_t id_;
};

// Runs `work` on a thread of its own and settles the promise that it returns with what `convert` makes of its value.
template <typename T>
Napi::Value run_async(Napi::Env env, std::function<Result<T>()> work, std::function<Napi::Value(Napi::Env, T&)> convert,
                      std::function<void()> cancel = {}) {
  auto pending = PendingPromise::create(env);
  Napi::Promise promise = pending->promise();
  JsThread::of(env)->run(
      [pending, work = std::move(work), convert = std::move(convert)] {
        auto result = std::make_shared<Result<T>>(work());
        if (!result->ok()) {
          pending->reject(result->error());
          return;
        }
        pending->resolve([result, convert](Napi::Env env) { return convert(env, result->value()); });
      },
      std::move(cancel));
  return promise;
}

// A promise that is rejected already.
Napi::Value rejected(Napi::Env env, const Error& error);

}  // namespace drover::binding
