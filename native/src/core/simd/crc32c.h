// CRC32C: Castagnoli polynomial, reflected, initial and final value all ones; "123456789" gives 0xe3069283.
#pragma once

#include <cstddef>
#include <cstdint>

namespace drover {

// The CRC of what `crc` covers followed by `length` bytes at `data`. Start with 0: crc32c(crc32c(0, a), b) is the CRC
// of a then b. The implementation is chosen once for the processor at hand.
uint32_t crc32c(uint32_t crc, const void* data, size_t length);

// "sse4.2" or "portable".
const char* crc32c_name();

namespace detail {
uint32_t crc32c_portable(uint32_t crc, const uint8_t* data, size_t length);
uint32_t crc32c_sse42(uint32_t crc, const uint8_t* data, size_t length);  // only where sse42_supported()
bool sse42_supported();
}  // namespace detail

}  // namespace drover
