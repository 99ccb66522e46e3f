// The addon's start: what it exports is native/index.ts.
#include <napi.h>

#include "binding/async.h"
#include "binding/bitmap.h"
#include "binding/machine.h"
#include "binding/memory.h"
#include "binding/probe.h"
#include "binding/service.h"
#include "binding/storage.h"
#include "binding/tracker.h"
#include "binding/transfer.h"
#include "binding/urgency.h"

namespace drover::binding {

// Kept equal to CONTRACT_VERSION of index.ts.
constexpr int kContractVersion = 8;

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  JsThread::create(env);
  exports.Set("contractVersion", Napi::Number::New(env, kContractVersion));
  init_memory(env, exports);
  init_bitmap(env, exports);
  init_tracker(env, exports);
  init_machine(env, exports);
  init_probe(env, exports);
  init_service(env, exports);
  init_storage(env, exports);
  init_transfer(env, exports);
  init_urgency(env, exports);
  return exports;
}

NODE_API_MODULE(drover, init)

}  // namespace drover::binding
