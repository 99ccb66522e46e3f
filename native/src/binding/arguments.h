// Reading what JavaScript handed over. Every reader checks the type and the range and names the field in its error.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

#include "core/base/result.h"

namespace drover::binding {

// `field` of `object`; undefined where `object` is not an object (the reader of the value then says so).
Napi::Value field(const Napi::Value& object, const char* name);

// A whole number (JavaScript number) in [minimum, maximum].
Result<int64_t> read_integer(const Napi::Value& value, const char* name, int64_t minimum, int64_t maximum);
// A bigint in [0, 2^64).
Result<uint64_t> read_u64(const Napi::Value& value, const char* name);
Result<std::string> read_string(const Napi::Value& value, const char* name);

}  // namespace drover::binding
