#include "binding/machine_state.h"

#include "binding/arguments.h"
#include "binding/errors.h"
#include "binding/transfer_objects.h"

namespace drover::binding {

namespace {

using machine::ClockMode;
using machine::Payload;

constexpr uint32_t kPayloadsMax = 65536;

Napi::Value payload_object(Napi::Env env, const Payload& payload) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("instance", payload.instance);
  result.Set("kind", payload.kind);
  result.Set("version", static_cast<double>(payload.version));
  result.Set("data", bytes_array(env, payload.data));
  return result;
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

}  // namespace

Napi::Value payload_array(Napi::Env env, std::vector<Payload>& payloads) {
  Napi::Array list = Napi::Array::New(env, payloads.size());
  for (uint32_t index = 0; index < payloads.size(); ++index) list.Set(index, payload_object(env, payloads[index]));
  return list;
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

}  // namespace drover::binding
