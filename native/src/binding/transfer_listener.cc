#include <optional>

#include "binding/async.h"
#include "binding/transfer_objects.h"
#include "core/transfer/peer_listener.h"

namespace drover::binding {

namespace {

constexpr const char* kClassName = "PeerListener";

struct ListenerParts {
  std::shared_ptr<PeerListener> listener;
  std::shared_ptr<JsCallback> callback;
};

// Like a server of Node it lives until close(), whoever still refers to it; unlike one it does not keep the event loop
// alive.
class ListenerObject : public Napi::ObjectWrap<ListenerObject> {
 public:
  static void define(Napi::Env env) {
    JsThread::of(env)->keep_class(kClassName,
                                  DefineClass(env, kClassName,
                                              {
                                                  InstanceAccessor<&ListenerObject::port>("port", napi_enumerable),
                                                  InstanceMethod<&ListenerObject::close>("close"),
                                              }));
  }

  explicit ListenerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ListenerObject>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw_error(info.Env(), invalid_argument("PeerListener is made by listenForPeers"));
      return;
    }
    parts_ = *info[0].As<Napi::External<ListenerParts>>().Data();
    port_ = parts_.listener->port();
    js_ = JsThread::of(info.Env());
    teardown_ = js_->at_teardown([listener = parts_.listener] { listener->close(); });
    Ref();
  }

 private:
  Napi::Value port(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), port_); }

  void close(const Napi::CallbackInfo&) {
    if (!parts_.listener) return;
    js_->forget(teardown_);
    parts_.callback->close();
    parts_.listener->close();
    parts_ = {};
    Unref();
  }

  ListenerParts parts_;
  uint16_t port_ = 0;
  std::shared_ptr<JsThread> js_;
  uint64_t teardown_ = 0;
};

Napi::Value listen_for_peers(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto host = read_string(field(info[0], "host"), "host");
  if (!host) return throw_error(env, host.error());
  auto port = read_integer(field(info[0], "port"), "port", 0, UINT16_MAX);
  if (!port) return throw_error(env, port.error());
  auto timeout = read_timeout(field(info[0], "handshakeTimeoutMs"), "handshakeTimeoutMs");
  if (!timeout) return throw_error(env, timeout.error());
  auto max_pending = read_integer(field(info[0], "maxPending"), "maxPending", 1, 65536);
  if (!max_pending) return throw_error(env, max_pending.error());
  const Napi::Value on_connection = field(info[0], "onConnection");
  if (!on_connection.IsFunction()) return throw_error(env, invalid_argument("onConnection must be a function"));

  auto callback = std::make_shared<JsCallback>(env, on_connection.As<Napi::Function>());
  auto hand_over = [callback](Handshake handshake) {
    // Shared, because a call that is dropped on the way must close the descriptor.
    auto shared = std::make_shared<Handshake>(std::move(handshake));
    callback->post([shared](Napi::Env env) -> std::vector<napi_value> {
      const Napi::Value hello = shared->hello ? bytes_array(env, *shared->hello) : env.Null();
      return {Napi::Number::New(env, shared->fd.release()), bytes_array(env, shared->preamble), hello};
    });
  };
  auto listener = PeerListener::open({host.take(), static_cast<uint16_t>(port.value()), timeout.value(),
                                      static_cast<size_t>(max_pending.value()), std::move(hand_over)});
  if (!listener) {
    callback->close();
    return throw_error(env, listener.error());
  }
  ListenerParts parts{listener.take(), callback};
  return JsThread::of(env)->class_named(kClassName).New({Napi::External<ListenerParts>::New(env, &parts)});
}

}  // namespace

void init_transfer_listener(Napi::Env env, Napi::Object exports) {
  ListenerObject::define(env);
  exports.Set("listenForPeers", Napi::Function::New(env, listen_for_peers, "listenForPeers"));
}

}  // namespace drover::binding
