#include "binding/storage.h"

#include <cstdint>
#include <limits>
#include <vector>

#include "binding/arguments.h"
#include "binding/async.h"
#include "binding/errors.h"
#include "core/storage/synced_write.h"

namespace drover::binding {

namespace {

Napi::Value write_synced_js(const Napi::CallbackInfo& info) {
  const auto fd = read_integer(info[0], "fd", 0, std::numeric_limits<int>::max());
  if (!fd.ok()) return rejected(info.Env(), fd.error());
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return rejected(info.Env(), Error{Code::invalid_argument, "bytes must be a Uint8Array"});
  }
  const auto position = read_integer(info[2], "position", 0, (int64_t{1} << 53) - 1);
  if (!position.ok()) return rejected(info.Env(), position.error());
  const auto bytes = info[1].As<Napi::Uint8Array>();
  std::vector<uint8_t> copy(bytes.Data(), bytes.Data() + bytes.ByteLength());
  return run_async<Unit>(
      info.Env(),
      [fd = static_cast<int>(fd.value()), copy = std::move(copy), at = static_cast<uint64_t>(position.value())] {
        return write_synced(fd, copy, at);
      },
      [](Napi::Env env, Unit&) { return env.Undefined(); });
}

}  // namespace

void init_storage(Napi::Env env, Napi::Object exports) {
  exports.Set("writeSynced", Napi::Function::New(env, write_synced_js, "writeSynced"));
}

}  // namespace drover::binding
