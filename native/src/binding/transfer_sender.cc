#include <algorithm>

#include "binding/async.h"
#include "binding/bitmap.h"
#include "binding/memory.h"
#include "binding/transfer_objects.h"
#include "core/transfer/bulk_sender.h"

namespace drover::binding {

namespace {

constexpr const char* kClassName = "BulkSender";

// Calls under way keep the core's sender by their own shared_ptr; each runs on a thread of its own and ends soon after
// cancel().
class SenderObject : public Napi::ObjectWrap<SenderObject> {
 public:
  static void define(Napi::Env env) {
    JsThread::of(env)->keep_class(kClassName,
                                  DefineClass(env, kClassName,
                                              {
                                                  InstanceMethod<&SenderObject::connect>("connect"),
                                                  InstanceMethod<&SenderObject::send_round>("sendRound"),
                                                  InstanceMethod<&SenderObject::set_bandwidth>("setBandwidth"),
                                                  InstanceMethod<&SenderObject::state_sent>("stateSent"),
                                                  InstanceMethod<&SenderObject::hurry>("hurry"),
                                                  InstanceMethod<&SenderObject::cancel>("cancel"),
                                                  InstanceMethod<&SenderObject::close>("close"),
                                              }));
  }

  explicit SenderObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SenderObject>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw_error(info.Env(), invalid_argument("BulkSender is made by createSender"));
      return;
    }
    sender_ = *info[0].As<Napi::External<std::shared_ptr<BulkSender>>>().Data();
    js_ = JsThread::of(info.Env());
    teardown_ = js_->at_teardown([sender = std::weak_ptr<BulkSender>(sender_)] {
      if (auto alive = sender.lock()) alive->close();
    });
    info.This().As<Napi::Object>().DefineProperty(
        Napi::PropertyDescriptor::Value("counters", counters_array(info.Env(), sender_->counters()), napi_enumerable));
  }

  ~SenderObject() override {
    if (js_) js_->forget(teardown_);
  }

 private:
  std::function<void()> canceller() const {
    return [sender = sender_] { sender->cancel(); };
  }

  static Error closed() { return Error{Code::closed, "the sender was closed"}; }

  Napi::Value connect(const Napi::CallbackInfo& info) {
    if (!sender_) return rejected(info.Env(), closed());
    return run_async<Unit>(
        info.Env(), [sender = sender_] { return sender->connect(); },
        [](Napi::Env env, Unit&) { return env.Undefined(); }, canceller());
  }

  Napi::Value send_round(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!sender_) return rejected(env, closed());
    auto round = read_integer(info[0], "round", 0, UINT32_MAX);
    if (!round) return rejected(env, round.error());
    std::shared_ptr<const DirtyBitmap> pages;
    if (!info[1].IsNull()) {
      auto bitmap = bitmap_of(info[1]);
      if (!bitmap) return rejected(env, bitmap.error());
      pages = bitmap.take();
    }
    auto torn = bitmap_of(info[2]);
    if (!torn) return rejected(env, torn.error());
    return run_async<RoundTotals>(
        env,
        [sender = sender_, number = static_cast<uint32_t>(round.value()), pages, torn = torn.take()] {
          return sender->send_round(number, pages, torn);
        },
        [](Napi::Env env, RoundTotals& totals) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          result.Set("wireBytes", static_cast<double>(totals.wire_bytes));
          result.Set("dataPages", static_cast<double>(totals.data_pages));
          result.Set("zeroPages", static_cast<double>(totals.zero_pages));
          result.Set("tornPages", static_cast<double>(totals.torn_pages));
          result.Set("durationMicros", static_cast<double>(totals.duration_micros));
          return result;
        },
        canceller());
  }

  void set_bandwidth(const Napi::CallbackInfo& info) {
    auto rate = read_u64(info[0], "bytesPerSecond");
    if (rate) {
      if (sender_) sender_->set_bandwidth(rate.value());
    } else {
      throw_error(info.Env(), rate.error());
    }
  }

  Napi::Value state_sent(const Napi::CallbackInfo& info) {
    if (!sender_) return rejected(info.Env(), closed());
    return run_async<StateTotals>(
        info.Env(), [sender = sender_] { return sender->state_sent(); },
        [](Napi::Env env, StateTotals& totals) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          result.Set("bytes", static_cast<double>(totals.bytes));
          result.Set("durationMicros", static_cast<double>(totals.duration_micros));
          return result;
        },
        canceller());
  }

  void hurry(const Napi::CallbackInfo&) {
    if (sender_) sender_->hurry();
  }

  void cancel(const Napi::CallbackInfo&) {
    if (sender_) sender_->cancel();
  }

  // Its connections go now, and not when this object is collected, which may be long after.
  void close(const Napi::CallbackInfo&) {
    if (auto sender = std::move(sender_)) sender->close();
  }

  std::shared_ptr<BulkSender> sender_;  // null once closed
  std::shared_ptr<JsThread> js_;
  uint64_t teardown_ = 0;
};

Result<SenderOptions> read_options(const Napi::Value& value) {
  SenderOptions options{};
  auto memory = memory_of(field(value, "memory"));
  if (!memory) return memory.error();
  auto host = read_string(field(value, "host"), "host");
  if (!host) return host.error();
  auto port = read_integer(field(value, "port"), "port", 1, UINT16_MAX);
  if (!port) return port.error();
  auto connections = read_integer(field(value, "connections"), "connections", 1, kMaxChannels);
  if (!connections) return connections.error();
  auto version = read_integer(field(value, "version"), "version", 1, UINT16_MAX);
  if (!version) return version.error();
  auto connect_timeout = read_timeout(field(value, "connectTimeoutMs"), "connectTimeoutMs");
  if (!connect_timeout) return connect_timeout.error();
  auto stall_timeout = read_timeout(field(value, "stallTimeoutMs"), "stallTimeoutMs");
  if (!stall_timeout) return stall_timeout.error();
  auto state_limit = read_u64(field(value, "stateLimitBytes"), "stateLimitBytes");
  if (!state_limit) return state_limit.error();
  const Napi::Value state_socket = field(value, "stateSocket");
  if (!state_socket.IsNull()) {
    auto path = read_string(state_socket, "stateSocket");
    if (!path) return path.error();
    options.state_socket = path.take();
    if (options.state_socket.empty()) return invalid_argument("stateSocket must be a path or null");
  }
  // Last: no JavaScript may run between this and the copy.
  auto token = read_bytes(field(value, "token"), "token");
  if (!token) return token.error();
  if (token.value().size() != kTokenBytes) return invalid_argument("token must have 32 bytes");
  std::copy(token.value().begin(), token.value().end(), options.token.begin());
  options.memory = memory.take();
  options.host = host.take();
  options.port = static_cast<uint16_t>(port.value());
  options.connections = static_cast<uint16_t>(connections.value());
  options.version = static_cast<uint16_t>(version.value());
  options.connect_timeout_ms = connect_timeout.value();
  options.stall_timeout_ms = stall_timeout.value();
  options.state_limit = state_limit.value();
  return options;
}

Napi::Value create_sender(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto options = read_options(info[0]);
  if (!options) return throw_error(env, options.error());
  auto sender = BulkSender::create(options.take());
  if (!sender) return throw_error(env, sender.error());
  std::shared_ptr<BulkSender> created = sender.take();
  return JsThread::of(env)
      ->class_named(kClassName)
      .New({Napi::External<std::shared_ptr<BulkSender>>::New(env, &created)});
}

}  // namespace

void init_transfer_sender(Napi::Env env, Napi::Object exports) {
  SenderObject::define(env);
  exports.Set("createSender", Napi::Function::New(env, create_sender, "createSender"));
}

}  // namespace drover::binding
