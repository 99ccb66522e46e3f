// The three objects of the bulk transfer for JavaScript, and what they share.
#pragma once

#include <napi.h>

#include <memory>
#include <span>

#include "binding/arguments.h"
#include "binding/errors.h"
#include "core/transfer/counters.h"

namespace drover::binding {

// Adds listenForPeers.
void init_transfer_listener(Napi::Env env, Napi::Object exports);
// Adds createSender.
void init_transfer_sender(Napi::Env env, Napi::Object exports);
// Adds createReceiver.
void init_transfer_receiver(Napi::Env env, Napi::Object exports);

inline constexpr int64_t kMaximumTimeoutMs = 24 * 60 * 60 * 1000;

// A duration in whole ms, 1 to a day.
Result<int64_t> read_timeout(const Napi::Value& value, const char* name);

// The bytes of a Uint8Array; valid as long as nothing runs in between that could detach its buffer.
Result<std::span<const uint8_t>> read_bytes(const Napi::Value& value, const char* name);

// A BigUint64Array over the block itself, which lives as long as the array. Once a block.
Napi::Value counters_array(Napi::Env env, const std::shared_ptr<CounterBlock>& counters);

Napi::Value bytes_array(Napi::Env env, std::span<const uint8_t> bytes);

}  // namespace drover::binding
