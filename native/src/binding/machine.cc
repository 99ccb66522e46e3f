#include "binding/machine.h"

#include "binding/errors.h"
#include "binding/hypervisors.h"

#if defined(__x86_64__)

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/bitmap.h"
#include "binding/memory.h"
#include "binding/tracker.h"
#include "binding/transfer_objects.h"
#include "core/kvm/cpu_features.h"
#include "core/kvm/cpuid.h"
#include "core/kvm/machine.h"
#include "core/kvm/state/machine_state.h"
#include "core/kvm/stopped_clock.h"
#include "core/machine/boot/image_file.h"

namespace drover::binding {

namespace {

using kvm::CpuDefinition;
using kvm::Ending;
using kvm::Machine;
using kvm::Tracking;
using machine::ClockMode;
using machine::Payload;

constexpr const char* kClassName = "KvmMachine";
constexpr uint32_t kPayloadsMax = 65536;
constexpr uint32_t kCpuidEntriesMax = 256;
constexpr uint32_t kMsrsMax = 1024;

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

Napi::Value payload_object(Napi::Env env, const Payload& payload) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("instance", payload.instance);
  result.Set("kind", payload.kind);
  result.Set("version", static_cast<double>(payload.version));
  result.Set("data", bytes_array(env, payload.data));
  return result;
}

Napi::Value payload_array(Napi::Env env, std::vector<Payload>& payloads) {
  Napi::Array list = Napi::Array::New(env, payloads.size());
  for (uint32_t index = 0; index < payloads.size(); ++index) list.Set(index, payload_object(env, payloads[index]));
  return list;
}

Result<Payload> read_payload(const Napi::Value& value) {
  auto instance = read_string(field(value, "instance"), "instance");
  if (!instance) return instance.error();
  auto kind = read_string(field(value, "kind"), "kind");
  if (!kind) return kind.error();
  auto version = read_integer(field(value, "version"), "version", 0, UINT32_MAX);
  if (!version) return version.error();
  auto data = read_bytes(field(value, "data"), "data");
  if (!data) return data.error();
  return Payload{
      instance.take(), kind.take(), static_cast<uint32_t>(version.value()), {data.value().begin(), data.value().end()}};
}

Result<std::vector<Payload>> read_payload_list(const Napi::Value& value) {
  if (!value.IsArray()) return invalid_argument("payloads must be an array");
  const Napi::Array list = value.As<Napi::Array>();
  if (list.Length() > kPayloadsMax) return invalid_argument("payloads must be at most 65536");
  std::vector<Payload> payloads;
  for (uint32_t index = 0; index < list.Length(); ++index) {
    auto payload = read_payload(list[index]);
    if (!payload) return payload.error();
    payloads.push_back(payload.take());
  }
  return payloads;
}

Result<ClockMode> read_clock(const Napi::Value& value) {
  auto name = read_string(value, "clock");
  if (name && name.value() == "wall") return ClockMode::wall;
  if (name && name.value() == "stopped") return ClockMode::stopped;
  return invalid_argument("clock must be \"wall\" or \"stopped\"");
}

Napi::Value names_array(Napi::Env env, const std::vector<std::string>& names) {
  Napi::Array list = Napi::Array::New(env, names.size());
  for (uint32_t index = 0; index < names.size(); ++index) list.Set(index, names[index]);
  return list;
}

Napi::Value definition_object(Napi::Env env, const CpuDefinition& definition) {
  Napi::Array entries = Napi::Array::New(env, definition.cpuid.size());
  for (uint32_t index = 0; index < definition.cpuid.size(); ++index) {
    const kvm_cpuid_entry2& entry = definition.cpuid[index];
    Napi::Object leaf = Napi::Object::New(env);
    leaf.Set("leaf", static_cast<double>(entry.function));
    leaf.Set("subleaf", static_cast<double>(entry.index));
    leaf.Set("eax", static_cast<double>(entry.eax));
    leaf.Set("ebx", static_cast<double>(entry.ebx));
    leaf.Set("ecx", static_cast<double>(entry.ecx));
    leaf.Set("edx", static_cast<double>(entry.edx));
    entries.Set(index, leaf);
  }
  Napi::Array msrs = Napi::Array::New(env, definition.msrs.size());
  for (uint32_t index = 0; index < definition.msrs.size(); ++index) {
    msrs.Set(index, static_cast<double>(definition.msrs[index]));
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("cpuid", entries);
  result.Set("msrs", msrs);
  return result;
}

Result<kvm_cpuid_entry2> read_cpuid_entry(const Napi::Value& value) {
  kvm_cpuid_entry2 entry{};
  const std::pair<const char*, uint32_t*> fields[] = {{"leaf", &entry.function}, {"subleaf", &entry.index},
                                                      {"eax", &entry.eax},       {"ebx", &entry.ebx},
                                                      {"ecx", &entry.ecx},       {"edx", &entry.edx}};
  for (const auto& [name, into] : fields) {
    auto number = read_integer(field(value, name), name, 0, UINT32_MAX);
    if (!number) return number.error();
    *into = static_cast<uint32_t>(number.value());
  }
  return entry;
}

Result<CpuDefinition> read_definition(const Napi::Value& value) {
  const Napi::Value cpuid = field(value, "cpuid");
  const Napi::Value msrs = field(value, "msrs");
  if (!cpuid.IsArray() || !msrs.IsArray()) return invalid_argument("cpuid and msrs must be arrays");
  const Napi::Array entries = cpuid.As<Napi::Array>();
  const Napi::Array indices = msrs.As<Napi::Array>();
  if (entries.Length() > kCpuidEntriesMax || indices.Length() > kMsrsMax) {
    return invalid_argument("cpuid must have at most 256 entries and msrs at most 1024");
  }
  CpuDefinition definition;
  for (uint32_t index = 0; index < entries.Length(); ++index) {
    auto entry = read_cpuid_entry(entries[index]);
    if (!entry) return entry.error();
    definition.cpuid.push_back(entry.value());
  }
  for (uint32_t index = 0; index < indices.Length(); ++index) {
    auto number = read_integer(indices[index], "msrs", 0, UINT32_MAX);
    if (!number) return number.error();
    definition.msrs.push_back(static_cast<uint32_t>(number.value()));
  }
  return definition;
}

Napi::Value undefined(Napi::Env env, Unit&) { return env.Undefined(); }

// Like a server of Node it lives until close(), whoever still refers to it; unlike one it does not keep the event loop
// alive. Operations under way keep the machine until they end.
class MachineObject : public Napi::ObjectWrap<MachineObject> {
 public:
  static void define(Napi::Env env) {
    JsThread::of(env)->keep_class(kClassName,
                                  DefineClass(env, kClassName,
                                              {
                                                  InstanceAccessor<&MachineObject::state>("state", napi_enumerable),
                                                  InstanceMethod<&MachineObject::take_console>("takeConsole"),
                                                  InstanceMethod<&MachineObject::boot>("boot"),
                                                  InstanceMethod<&MachineObject::pause>("pause"),
                                                  InstanceMethod<&MachineObject::stand_still>("standStill"),
                                                  InstanceMethod<&MachineObject::stand_still_sync>("standStillSync"),
                                                  InstanceMethod<&MachineObject::resume>("resume"),
                                                  InstanceMethod<&MachineObject::save_state>("saveState"),
                                                  InstanceMethod<&MachineObject::save_state_sync>("saveStateSync"),
                                                  InstanceMethod<&MachineObject::load_state>("loadState"),
                                                  InstanceMethod<&MachineObject::cpu_definition>("cpuDefinition"),
                                                  InstanceMethod<&MachineObject::load_state_sync>("loadStateSync"),
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

  Napi::Value save_state_sync(const Napi::CallbackInfo& info) {
    if (!parts_.machine) return throw_error(info.Env(), closed());
    auto payloads = parts_.machine->save();
    if (!payloads) return throw_error(info.Env(), payloads.error());
    return payload_array(info.Env(), payloads.value());
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

  Napi::Value load_state_sync(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!parts_.machine) return throw_error(env, closed());
    auto payloads = read_payload_list(info[0]);
    if (!payloads) return throw_error(env, payloads.error());
    auto clock = read_clock(info[1]);
    if (!clock) return throw_error(env, clock.error());
    if (Status loaded = parts_.machine->load(payloads.value(), clock.value()); !loaded) {
      return throw_error(env, loaded.error());
    }
    return env.Undefined();
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

void init_machine(Napi::Env env, Napi::Object exports) {
  MachineObject::define(env);
  init_hypervisors(env, exports);
  exports.Set("createKvmMachine", Napi::Function::New(env, create_machine, "createKvmMachine"));
  exports.Set("machinePayloadKinds", Napi::Function::New(env, payload_kinds_object, "machinePayloadKinds"));
  exports.Set("missingFromHost", Napi::Function::New(env, missing_from_host_object, "missingFromHost"));
  exports.Set("hostCpu", Napi::Function::New(env, host_cpu_object, "hostCpu"));
  exports.Set("probeStoppedClock", Napi::Function::New(env, stopped_clock_object, "probeStoppedClock"));
  exports.Set("kvmHost", Napi::Function::New(env, host_object, "kvmHost"));
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
