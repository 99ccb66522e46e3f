// The bulk transfer's part of the addon.
#pragma once

#include <napi.h>

namespace drover::binding {

// Adds cpuDispatch, listenForPeers, createSender and createReceiver to the addon's exports.
void init_transfer(Napi::Env env, Napi::Object exports);

}  // namespace drover::binding
