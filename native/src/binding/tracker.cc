#include "binding/tracker.h"

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/bitmap.h"
#include "binding/errors.h"
#include "binding/memory.h"
#include "core/dirty/pagemap_scan_tracker.h"

namespace drover::binding {

namespace {

constexpr const char* kClassName = "PagemapScanTracker";
constexpr int64_t kMaximumTimeoutMs = 24 * 60 * 60 * 1000;

// When the object is collected, threads that still work on the tracker keep it until they end.
class TrackerObject : public Napi::ObjectWrap<TrackerObject> {
 public:
  static void define(Napi::Env env) {
    JsThread::of(env)->keep_class(kClassName, DefineClass(env, kClassName,
                                                          {
                                                              InstanceMethod<&TrackerObject::start>("start"),
                                                              InstanceMethod<&TrackerObject::collect>("collect"),
                                                              InstanceMethod<&TrackerObject::stop>("stop"),
                                                          }));
  }

  explicit TrackerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TrackerObject>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw_error(info.Env(), invalid_argument("PagemapScanTracker is made by createPagemapScanTracker"));
      return;
    }
    tracker_ = *info[0].As<Napi::External<std::shared_ptr<PagemapScanTracker>>>().Data();
  }

 private:
  Napi::Value start(const Napi::CallbackInfo& info) {
    return run_async<Unit>(
        info.Env(), [tracker = tracker_] { return tracker->start(); },
        [](Napi::Env env, Unit&) { return env.Undefined(); }, [tracker = tracker_] { tracker->stop(); });
  }

  Napi::Value collect(const Napi::CallbackInfo& info) {
    auto bitmap = bitmap_of(info[0]);
    if (!bitmap) return rejected(info.Env(), bitmap.error());
    return run_async<Collected>(
        info.Env(),
        [tracker = tracker_, into = bitmap.take()]() -> Result<Collected> { return tracker->collect(*into); },
        collected_object, [tracker = tracker_] { tracker->stop(); });
  }

  void stop(const Napi::CallbackInfo&) { tracker_->stop(); }

  std::shared_ptr<PagemapScanTracker> tracker_;
};

Napi::Value create_tracker(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto memory = memory_of(field(info[0], "memory"));
  if (!memory) return throw_error(env, memory.error());
  auto pid = read_integer(field(info[0], "pid"), "pid", 1, INT32_MAX);
  if (!pid) return throw_error(env, pid.error());
  auto socket = read_string(field(info[0], "shimSocket"), "shimSocket");
  if (!socket) return throw_error(env, socket.error());
  auto timeout = read_integer(field(info[0], "timeoutMs"), "timeoutMs", 0, kMaximumTimeoutMs);
  if (!timeout) return throw_error(env, timeout.error());
  auto tracker = PagemapScanTracker::create(
      {memory.take(), static_cast<pid_t>(pid.value()), socket.take(), std::chrono::milliseconds(timeout.value())});
  if (!tracker) return throw_error(env, tracker.error());
  std::shared_ptr<PagemapScanTracker> created = tracker.take();
  return JsThread::of(env)
      ->class_named(kClassName)
      .New({Napi::External<std::shared_ptr<PagemapScanTracker>>::New(env, &created)});
}

}  // namespace

Napi::Value collected_object(Napi::Env env, Collected& collected) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("dirtyPages", static_cast<double>(collected.dirty_pages));
  result.Set("complete", collected.complete());
  result.Set("error", collected.error ? Napi::String::New(env, *collected.error) : env.Null());
  return result;
}

void init_tracker(Napi::Env env, Napi::Object exports) {
  TrackerObject::define(env);
  exports.Set("createPagemapScanTracker", Napi::Function::New(env, create_tracker, "createPagemapScanTracker"));
}

}  // namespace drover::binding
