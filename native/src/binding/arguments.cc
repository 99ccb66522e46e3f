#include "binding/arguments.h"

#include <cmath>

#include "binding/errors.h"

namespace drover::binding {

Napi::Value field(const Napi::Value& object, const char* name) {
  if (!object.IsObject()) return object.Env().Undefined();
  return object.As<Napi::Object>().Get(name);
}

Result<int64_t> read_integer(const Napi::Value& value, const char* name, int64_t minimum, int64_t maximum) {
  const std::string expected =
      std::string(name) + " must be a whole number from " + std::to_string(minimum) + " to " + std::to_string(maximum);
  if (!value.IsNumber()) return invalid_argument(expected);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(minimum) && number <= static_cast<double>(maximum)) ||
      number != std::floor(number)) {
    return invalid_argument(expected);
  }
  return static_cast<int64_t>(number);
}

Result<uint64_t> read_u64(const Napi::Value& value, const char* name) {
  bool lossless = false;
  if (value.IsBigInt()) {
    const uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return number;
  }
  return invalid_argument(std::string(name) + " must be a bigint from 0 to 2^64-1");
}

Result<std::string> read_string(const Napi::Value& value, const char* name) {
  if (!value.IsString()) return invalid_argument(std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

}  // namespace drover::binding
