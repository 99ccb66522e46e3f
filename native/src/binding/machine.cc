#include "binding/machine.h"

#include "binding/errors.h"
#include "binding/hypervisors.h"

#if defined(__x86_64__)

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/bitmap.h"
#include "binding/cpu_definition.h"
#include "binding/kvm_host.h"
#include "binding/machine_state.h"
#include "binding/memory.h"
#include "binding/tracker.h"
#include "binding/transfer_objects.h"
#include "core/kvm/machine.h"
#include "core/machine/boot/image_file.h"
#include "core/machine/state_stream.h"

namespace drover::binding {

namespace {

using kvm::Ending;
using kvm::Machine;
using kvm::Tracking;
using machine::Payload;

constexpr const char* kClassName = "KvmMachine";

// What is handed to the object that JavaScript sees.
struct MachineParts {
  std::shared_ptr<Machine> machine;
  std::shared_ptr<JsCallback> on_end;
};

const char* state_name(Machine::State state) {
  switch (state) {
    case Machine::State::made: return "made";
    case Machine::State::paused: return "paused";
    case Machine::State::running: return "running";
    case Machine::State::ended: return "ended";
  }
  return "ended";
}

Error closed() { return Error{Code::closed, "this machine was closed"}; }

Napi::Value undefined(Napi::Env env, Unit&) { return env.Undefined(); }

// Like a server of Node it lives until close(), whoever still refers to it; unlike one it does not keep the event loop
// alive. Operations under way keep the machine until they end.
class MachineObject : public Napi::ObjectWrap<MachineObject> {
 public:
  static void define(Napi::Env env) {
    JsThread::of(env)->keep_class(
        kClassName, DefineClass(env, kClassName,
                                {
                                    InstanceAccessor<&MachineObject::state>("state", napi_enumerable),
                                    InstanceMethod<&MachineObject::take_console>("takeConsole"),
                                    InstanceMethod<&MachineObject::boot>("boot"),
                                    InstanceMethod<&MachineObject::pause>("pause"),
                                    InstanceMethod<&MachineObject::stand_still>("standStill"),
                                    InstanceMethod<&MachineObject::stand_still_sync>("standStillSync"),
                                    InstanceMethod<&MachineObject::resume>("resume"),
                                    InstanceMethod<&MachineObject::save_state>("saveState"),
                                    InstanceMethod<&MachineObject::save_stream_sync>("saveStreamSync"),
                                    InstanceMethod<&MachineObject::load_state>("loadState"),
                                    InstanceMethod<&MachineObject::cpu_definition>("cpuDefinition"),
                                    InstanceMethod<&MachineObject::load_stream_ahead_sync>("loadStreamAheadSync"),
                                    InstanceMethod<&MachineObject::finish_load_sync>("finishLoadSync"),
                                    InstanceMethod<&MachineObject::cpuid_payloads>("cpuidPayloads"),
                                    InstanceMethod<&MachineObject::start_tracking>("startTracking"),
                                    InstanceMethod<&MachineObject::collect>("collect"),
                                    InstanceMethod<&MachineObject::stop_tracking>("stopTracking"),
                                    InstanceMethod<&MachineObject::close>("close"),
                                }));
  }

  explicit MachineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MachineObject>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw_error(info.Env(), invalid_argument("KvmMachine is made by createKvmMachine"));
      return;
    }
    parts_ = *info[0].As<Napi::External<MachineParts>>().Data();
    js_ = JsThread::of(info.Env());
    // The last owner ends the processors' threads; operations under way have been joined by then or hold it themselves.
    teardown_ = js_->at_teardown([this] { parts_ = {}; });
    Ref();
  }

 private:
  Napi::Value state(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), parts_.machine ? state_name(parts_.machine->state()) : "ended");
  }

  Napi::Value take_console(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return throw_error(info.Env(), closed());
    auto console = parts_.machine->take_console();
    if (!console) return throw_error(info.Env(), console.error());
    return Napi::Number::New(info.Env(), console.value().release());
  }

  Napi::Value boot(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!parts_.machine) return rejected(env, closed());
    auto kernel = read_string(field(info[0], "kernelPath"), "kernelPath");
    if (!kernel) return rejected(env, kernel.error());
    std::string initrd;
    if (const Napi::Value path = field(info[0], "initrdPath"); !path.IsNull()) {
      auto text = read_string(path, "initrdPath");
      if (!text) return rejected(env, text.error());
      initrd = text.take();
    }
    auto line = read_string(field(info[0], "commandLine"), "commandLine");
    if (!line) return rejected(env, line.error());
    return run_async<Unit>(
        env,
        [machine = parts_.machine, kernel = kernel.take(), initrd, line = line.take()]() -> Status {
          auto image = machine::read_image(kernel);
          if (!image) return image.error();
          std::vector<uint8_t> initrd_bytes;
          if (!initrd.empty()) {
            auto read = machine::read_image(initrd);
            if (!read) return read.error();
            initrd_bytes = read.take();
          }
          return machine->boot({image.value(), initrd_bytes, line});
        },
        undefined);
  }

  Napi::Value pause(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return rejected(info.Env(), closed());
    auto timeout = read_timeout(info[0], "timeoutMs");
    if (!timeout) return rejected(info.Env(), timeout.error());
    return run_async<Unit>(
        info.Env(),
        [machine = parts_.machine, timeout = timeout.value()] {
          return machine->pause(std::chrono::milliseconds(timeout));
        },
        undefined);
  }

  Napi::Value stand_still_sync(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!parts_.machine) return throw_error(env, closed());
    auto patience = read_timeout(info[0], "patienceMs");
    if (!patience) return throw_error(env, patience.error());
    auto bitmap = bitmap_of(info[1]);
    if (!bitmap) return throw_error(env, bitmap.error());
    Status paused = parts_.machine->pause(std::chrono::milliseconds(patience.value()));
    if (!paused && paused.error().code == Code::timeout) return env.Null();
    if (!paused) return throw_error(env, paused.error());
    Collected collected = parts_.machine->tracker().collect(*bitmap.value());
    return collected_object(env, collected);
  }

  // One thread for both: between them nothing waits for JavaScript.
  Napi::Value stand_still(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return rejected(info.Env(), closed());
    auto timeout = read_timeout(info[0], "timeoutMs");
    if (!timeout) return rejected(info.Env(), timeout.error());
    auto bitmap = bitmap_of(info[1]);
    if (!bitmap) return rejected(info.Env(), bitmap.error());
    return run_async<Collected>(
        info.Env(),
        [machine = parts_.machine, timeout = timeout.value(), into = bitmap.take()]() -> Result<Collected> {
          if (Status paused = machine->pause(std::chrono::milliseconds(timeout)); !paused) return paused.error();
          return machine->tracker().collect(*into);
        },
        collected_object);
  }

  Napi::Value resume(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return throw_error(info.Env(), closed());
    Status resumed = parts_.machine->resume();
    if (!resumed) return throw_error(info.Env(), resumed.error());
    return info.Env().Undefined();
  }

  Napi::Value save_state(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return rejected(info.Env(), closed());
    return run_async<std::vector<Payload>>(
        info.Env(), [machine = parts_.machine] { return machine->save(); }, payload_array);
  }

  Napi::Value cpu_definition(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return throw_error(info.Env(), closed());
    return definition_object(info.Env(), parts_.machine->cpu_definition());
  }

  Napi::Value save_stream_sync(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return throw_error(info.Env(), closed());
    auto payloads = parts_.machine->save();
    if (!payloads) return throw_error(info.Env(), payloads.error());
    return bytes_array(info.Env(), machine::encode_state_stream(payloads.value()));
  }

  Napi::Value cpuid_payloads(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return throw_error(info.Env(), closed());
    std::vector<Payload> payloads = parts_.machine->cpuid_payloads();
    return payload_array(info.Env(), payloads);
  }

  Napi::Value load_state(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return rejected(info.Env(), closed());
    auto payloads = read_payload_list(info[0]);
    if (!payloads) return rejected(info.Env(), payloads.error());
    auto clock = read_clock(info[1]);
    if (!clock) return rejected(info.Env(), clock.error());
    return run_async<Unit>(
        info.Env(),
        [machine = parts_.machine, payloads = payloads.take(), clock = clock.value()] {
          return machine->load(payloads, clock);
        },
        undefined);
  }

  Napi::Value load_stream_ahead_sync(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!parts_.machine) return throw_error(env, closed());
    auto stream = read_bytes(info[0], "stream");
    if (!stream) return throw_error(env, stream.error());
    auto payloads = machine::decode_state_stream(stream.value());
    if (!payloads) return throw_error(env, payloads.error());
    auto clock = read_clock(info[1]);
    if (!clock) return throw_error(env, clock.error());
    auto loaded = parts_.machine->load_ahead(payloads.take(), clock.value());
    if (!loaded) return throw_error(env, loaded.error());
    return Napi::Boolean::New(env, loaded.value());
  }

  Napi::Value finish_load_sync(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return throw_error(info.Env(), closed());
    if (Status loaded = parts_.machine->finish_load(); !loaded) return throw_error(info.Env(), loaded.error());
    return info.Env().Undefined();
  }

  Napi::Value start_tracking(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return rejected(info.Env(), closed());
    return run_async<Unit>(
        info.Env(), [machine = parts_.machine] { return machine->tracker().start(); }, undefined);
  }

  Napi::Value collect(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return rejected(info.Env(), closed());
    auto bitmap = bitmap_of(info[0]);
    if (!bitmap) return rejected(info.Env(), bitmap.error());
    return run_async<Collected>(
        info.Env(),
        [machine = parts_.machine, into = bitmap.take()]() -> Result<Collected> {
          return machine->tracker().collect(*into);
        },
        collected_object);
  }

  Napi::Value stop_tracking(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return rejected(info.Env(), closed());
    return run_async<Unit>(
        info.Env(),
        [machine = parts_.machine]() -> Status {
          machine->tracker().stop();
          return success();
        },
        undefined);
  }

  void close(const Napi::CallbackInfo&) {
    if (!parts_.machine) return;
    js_->forget(teardown_);
    parts_.on_end->close();
    // Ending a VM frees what KVM keeps for its memory, which may take a while: on a thread of its own.
    js_->run([machine = std::move(parts_.machine)]() mutable { machine.reset(); }, {});
    parts_ = {};
    Unref();
  }

  MachineParts parts_;
  std::shared_ptr<JsThread> js_;
  uint64_t teardown_ = 0;
};

Result<Tracking> read_tracker(const Napi::Value& value) {
  auto name = read_string(value, "tracker");
  if (name && name.value() == "kvm-dirty-log") return Tracking::dirty_log;
  if (name && name.value() == "kvm-dirty-ring") return Tracking::dirty_ring;
  return invalid_argument("tracker must be \"kvm-dirty-log\" or \"kvm-dirty-ring\"");
}

Napi::Value ending_object(Napi::Env env, const Ending& ending) {
  const bool exited = ending.kind == Ending::Kind::debug_exit;
  Napi::Object result = Napi::Object::New(env);
  result.Set("kind", exited ? "debug-exit" : "failed");
  result.Set("value", exited ? Napi::Number::New(env, ending.value) : env.Null());
  result.Set("vcpu", static_cast<double>(ending.vcpu));
  result.Set("message", ending.message);
  result.Set("registers", ending.registers);
  return result;
}

Napi::Value create_machine(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto memory = memory_of(field(info[0], "memory"));
  if (!memory) return throw_error(env, memory.error());
  auto vcpus = read_integer(field(info[0], "vcpus"), "vcpus", 1, INT32_MAX);
  if (!vcpus) return throw_error(env, vcpus.error());
  auto tracking = read_tracker(field(info[0], "tracker"));
  if (!tracking) return throw_error(env, tracking.error());
  const Napi::Value on_end = field(info[0], "onEnd");
  if (!on_end.IsFunction()) return throw_error(env, invalid_argument("onEnd must be a function"));

  auto callback = std::make_shared<JsCallback>(env, on_end.As<Napi::Function>());
  auto machine = Machine::create(
      {memory.take(), static_cast<unsigned>(vcpus.value()), tracking.value(), {}, [callback](const Ending& ending) {
         callback->post([ending](Napi::Env env) -> std::vector<napi_value> { return {ending_object(env, ending)}; });
       }});
  if (!machine) {
    callback->close();
    return throw_error(env, machine.error());
  }
  MachineParts parts{machine.take(), callback};
  return JsThread::of(env)->class_named(kClassName).New({Napi::External<MachineParts>::New(env, &parts)});
}

}  // namespace

void init_machine(Napi::Env env, Napi::Object exports) {
  MachineObject::define(env);
  init_hypervisors(env, exports);
  exports.Set("createKvmMachine", Napi::Function::New(env, create_machine, "createKvmMachine"));
  init_kvm_host(env, exports);
}

}  // namespace drover::binding

#else

namespace drover::binding {

void init_machine(Napi::Env env, Napi::Object exports) {
  init_hypervisors(env, exports);
  for (const char* name :
       {"createKvmMachine", "kvmHost", "hostCpu", "probeStoppedClock", "missingFromHost", "machinePayloadKinds"}) {
    exports.Set(
        name, Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
          return throw_error(info.Env(), {Code::unsupported, "machines run on x86-64 alone; use the driver qemu"});
        }));
  }
}

}  // namespace drover::binding

#endif
