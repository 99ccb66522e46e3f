#include <mutex>
#include <unordered_set>

#include "binding/async.h"
#include "binding/memory.h"
#include "binding/transfer_objects.h"
#include "core/transfer/bulk_receiver.h"

namespace drover::binding {

namespace {

constexpr const char* kClassName = "BulkReceiver";

// What a failure reaches: first every promise under way, then onFailure.
class FailureReport {
 public:
  FailureReport(Napi::Env env, Napi::Function on_failure) : callback_(env, on_failure) {}

  void expect(const std::shared_ptr<PendingPromise>& promise) {
    std::lock_guard lock(mutex_);
    pending_.insert(promise);
  }

  void settled(const std::shared_ptr<PendingPromise>& promise) {
    std::lock_guard lock(mutex_);
    pending_.erase(promise);
  }

  // Any thread, once.
  void failed(const Error& error) {
    std::unordered_set<std::shared_ptr<PendingPromise>> pending;
    {
      std::lock_guard lock(mutex_);
      pending.swap(pending_);
    }
    for (const auto& promise : pending) promise->reject(error);
    callback_.post([error](Napi::Env env) -> std::vector<napi_value> { return {js_error(env, error)}; });
  }

  // JavaScript thread only: onFailure is not called from here on.
  void silence() { callback_.close(); }

 private:
  std::mutex mutex_;
  std::unordered_set<std::shared_ptr<PendingPromise>> pending_;
  JsCallback callback_;
};

struct ReceiverParts {
  std::shared_ptr<BulkReceiver> receiver;
  std::shared_ptr<FailureReport> report;
};

// Calls under way keep the core's receiver by their own shared_ptr; each runs on a thread of its own and ends soon
// after cancel().
class ReceiverObject : public Napi::ObjectWrap<ReceiverObject> {
 public:
  static void define(Napi::Env env) {
    JsThread::of(env)->keep_class(kClassName,
                                  DefineClass(env, kClassName,
                                              {
                                                  InstanceMethod<&ReceiverObject::add_channel>("addChannel"),
                                                  InstanceMethod<&ReceiverObject::connected>("connected"),
                                                  InstanceMethod<&ReceiverObject::round_ended>("roundEnded"),
                                                  InstanceMethod<&ReceiverObject::connect_vmm>("connectVmm"),
                                                  InstanceMethod<&ReceiverObject::deliver_state>("deliverState"),
                                                  InstanceMethod<&ReceiverObject::hurry>("hurry"),
                                                  InstanceMethod<&ReceiverObject::cancel>("cancel"),
                                                  InstanceMethod<&ReceiverObject::close>("close"),
                                              }));
  }

  explicit ReceiverObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ReceiverObject>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw_error(info.Env(), invalid_argument("BulkReceiver is made by createReceiver"));
      return;
    }
    parts_ = *info[0].As<Napi::External<ReceiverParts>>().Data();
    js_ = JsThread::of(info.Env());
    teardown_ = js_->at_teardown([receiver = std::weak_ptr<BulkReceiver>(parts_.receiver)] {
      if (auto alive = receiver.lock()) alive->close();
    });
    info.This().As<Napi::Object>().DefineProperty(Napi::PropertyDescriptor::Value(
        "counters", counters_array(info.Env(), parts_.receiver->counters()), napi_enumerable));
  }

  ~ReceiverObject() override {
    if (!js_) return;
    js_->forget(teardown_);
    parts_.report->silence();
  }

 private:
  // Runs `work` on a thread of its own; unlike run_async() the promise is rejected before onFailure is called.
  template <typename T>
  Napi::Value run(Napi::Env env, std::function<Result<T>()> work, std::function<Napi::Value(Napi::Env, T&)> convert) {
    auto pending = PendingPromise::create(env);
    Napi::Promise promise = pending->promise();
    parts_.report->expect(pending);
    js_->run(
        [pending, report = parts_.report, work = std::move(work), convert = std::move(convert)] {
          auto result = std::make_shared<Result<T>>(work());
          report->settled(pending);
          if (!result->ok()) return pending->reject(result->error());
          pending->resolve([result, convert](Napi::Env env) { return convert(env, result->value()); });
        },
        [receiver = parts_.receiver] { receiver->cancel(); });
    return promise;
  }

  static Error closed() { return Error{Code::closed, "the receiver was closed"}; }

  static Napi::Value nothing(Napi::Env env, Unit&) { return env.Undefined(); }

  void add_channel(const Napi::CallbackInfo& info) {
    auto number = read_integer(info[0], "fd", 0, INT32_MAX);
    if (!number) {
      throw_error(info.Env(), number.error());
      return;
    }
    UniqueFd fd(static_cast<int>(number.value()));
    auto hello = read_bytes(info[1], "hello");
    if (!hello) {
      throw_error(info.Env(), hello.error());
      return;
    }
    if (!parts_.receiver) {
      throw_error(info.Env(), closed());
      return;
    }
    auto added = parts_.receiver->add_channel(std::move(fd), hello.value());
    if (!added) throw_error(info.Env(), added.error());
  }

  Napi::Value connected(const Napi::CallbackInfo& info) {
    if (!parts_.receiver) return rejected(info.Env(), closed());
    auto timeout = read_timeout(info[0], "timeoutMs");
    if (!timeout) return rejected(info.Env(), timeout.error());
    return run<Unit>(
        info.Env(), [receiver = parts_.receiver, ms = timeout.value()] { return receiver->wait_connected(ms); },
        nothing);
  }

  Napi::Value round_ended(const Napi::CallbackInfo& info) {
    if (!parts_.receiver) return rejected(info.Env(), closed());
    auto round = read_integer(info[0], "round", 0, UINT32_MAX);
    if (!round) return rejected(info.Env(), round.error());
    auto timeout = read_timeout(info[1], "timeoutMs");
    if (!timeout) return rejected(info.Env(), timeout.error());
    // After a last round that is small it mostly is: then no thread has to be started to see it.
    if (parts_.receiver->has_round(static_cast<uint32_t>(round.value()))) {
      auto deferred = Napi::Promise::Deferred::New(info.Env());
      deferred.Resolve(info.Env().Undefined());
      return deferred.Promise();
    }
    return run<Unit>(
        info.Env(),
        [receiver = parts_.receiver, number = static_cast<uint32_t>(round.value()), ms = timeout.value()] {
          return receiver->wait_round(number, ms);
        },
        nothing);
  }

  Napi::Value connect_vmm(const Napi::CallbackInfo& info) {
    if (!parts_.receiver) return rejected(info.Env(), closed());
    auto socket = read_string(info[0], "socketPath");
    if (!socket) return rejected(info.Env(), socket.error());
    auto timeout = read_timeout(info[1], "timeoutMs");
    if (!timeout) return rejected(info.Env(), timeout.error());
    return run<Unit>(
        info.Env(),
        [receiver = parts_.receiver, path = socket.take(), ms = timeout.value()] {
          return receiver->connect_to_vmm(path, ms);
        },
        nothing);
  }

  Napi::Value deliver_state(const Napi::CallbackInfo& info) {
    if (!parts_.receiver) return rejected(info.Env(), closed());
    auto timeout = read_timeout(info[0], "timeoutMs");
    if (!timeout) return rejected(info.Env(), timeout.error());
    return run<uint64_t>(
        info.Env(), [receiver = parts_.receiver, ms = timeout.value()] { return receiver->deliver(ms); },
        [](Napi::Env env, uint64_t& bytes) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          result.Set("bytes", static_cast<double>(bytes));
          return result;
        });
  }

  void hurry(const Napi::CallbackInfo&) {
    if (parts_.receiver) parts_.receiver->hurry();
  }

  void cancel(const Napi::CallbackInfo&) {
    if (parts_.receiver) parts_.receiver->cancel();
  }

  void close(const Napi::CallbackInfo&) {
    // Closing is the owner's wish, no failure: onFailure stays silent.
    parts_.report->silence();
    // Its connections go now, and not when this object is collected, which may be long after.
    if (auto receiver = std::move(parts_.receiver)) receiver->close();
  }

  ReceiverParts parts_;
  std::shared_ptr<JsThread> js_;
  uint64_t teardown_ = 0;
};

Napi::Value create_receiver(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto memory = memory_of(field(info[0], "memory"));
  if (!memory) return throw_error(env, memory.error());
  auto connections = read_integer(field(info[0], "connections"), "connections", 1, kMaxChannels);
  if (!connections) return throw_error(env, connections.error());
  auto version = read_integer(field(info[0], "version"), "version", 1, UINT16_MAX);
  if (!version) return throw_error(env, version.error());
  auto stall_timeout = read_timeout(field(info[0], "stallTimeoutMs"), "stallTimeoutMs");
  if (!stall_timeout) return throw_error(env, stall_timeout.error());
  auto state_limit = read_u64(field(info[0], "stateLimitBytes"), "stateLimitBytes");
  if (!state_limit) return throw_error(env, state_limit.error());
  const Napi::Value on_failure = field(info[0], "onFailure");
  if (!on_failure.IsFunction()) return throw_error(env, invalid_argument("onFailure must be a function"));

  auto report = std::make_shared<FailureReport>(env, on_failure.As<Napi::Function>());
  auto receiver = BulkReceiver::create({memory.take(), static_cast<uint16_t>(connections.value()),
                                        static_cast<uint16_t>(version.value()), stall_timeout.value(),
                                        state_limit.value(), [report](const Error& error) { report->failed(error); }});
  if (!receiver) {
    report->silence();
    return throw_error(env, receiver.error());
  }
  ReceiverParts parts{receiver.take(), report};
  return JsThread::of(env)->class_named(kClassName).New({Napi::External<ReceiverParts>::New(env, &parts)});
}

}  // namespace

void init_transfer_receiver(Napi::Env env, Napi::Object exports) {
  ReceiverObject::define(env);
  exports.Set("createReceiver", Napi::Function::New(env, create_receiver, "createReceiver"));
}

}  // namespace drover::binding
