#include "binding/transfer.h"

#include <algorithm>

#include "binding/transfer_objects.h"
#include "core/simd/crc32c.h"
#include "core/simd/zero_scan.h"

namespace drover::binding {

namespace {

Napi::Value cpu_dispatch(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("zeroScan", zero_scan_name());
  result.Set("crc32c", crc32c_name());
  return result;
}

}  // namespace

Result<int64_t> read_timeout(const Napi::Value& value, const char* name) {
  return read_integer(value, name, 1, kMaximumTimeoutMs);
}

Result<std::span<const uint8_t>> read_bytes(const Napi::Value& value, const char* name) {
  if (value.IsTypedArray()) {
    const auto typed = value.As<Napi::TypedArray>();
    if (typed.TypedArrayType() == napi_uint8_array) {
      const auto bytes = value.As<Napi::Uint8Array>();
      return std::span<const uint8_t>(bytes.Data(), bytes.ByteLength());
    }
  }
  return invalid_argument(std::string(name) + " must be a Uint8Array");
}

Napi::Value counters_array(Napi::Env env, const std::shared_ptr<CounterBlock>& counters) {
  auto holder = std::make_unique<std::shared_ptr<CounterBlock>>(counters);
  const auto buffer = Napi::ArrayBuffer::New(
      env, counters->raw(), kCounterCount * sizeof(uint64_t),
      [](Napi::Env, void*, std::shared_ptr<CounterBlock>* held) { delete held; }, holder.release());
  return Napi::BigUint64Array::New(env, kCounterCount, buffer, 0, napi_biguint64_array);
}

Napi::Value bytes_array(Napi::Env env, std::span<const uint8_t> bytes) {
  auto array = Napi::Uint8Array::New(env, bytes.size());
  std::copy(bytes.begin(), bytes.end(), array.Data());
  return array;
}

void init_transfer(Napi::Env env, Napi::Object exports) {
  exports.Set("cpuDispatch", Napi::Function::New(env, cpu_dispatch, "cpuDispatch"));
  init_transfer_listener(env, exports);
  init_transfer_sender(env, exports);
  init_transfer_receiver(env, exports);
}

}  // namespace drover::binding
