// Numbers as little-endian bytes, whatever the host's order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace drover {

template <typename T>
void put_le(uint8_t* to, T value) {
  static_assert(std::is_unsigned_v<T>);
  for (size_t byte = 0; byte < sizeof(T); byte++) to[byte] = static_cast<uint8_t>(value >> (8 * byte));
}

template <typename T>
T get_le(const uint8_t* from) {
  static_assert(std::is_unsigned_v<T>);
  T value = 0;
  for (size_t byte = 0; byte < sizeof(T); byte++) {
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(from[byte]) << (8 * byte)));
  }
  return value;
}

}  // namespace drover
