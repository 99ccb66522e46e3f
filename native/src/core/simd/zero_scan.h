// Finds pages that hold only zero bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace drover {

// True when all `length` bytes at `data` are zero. `length` is a multiple of 256, `data` is 8-byte aligned. The
// implementation is chosen once for the processor at hand. Leaves at the first non-zero block, so a page in use costs
// almost nothing.
bool is_zero(const uint8_t* data, size_t length);

// "avx2" or "portable".
const char* zero_scan_name();

namespace detail {
bool is_zero_portable(const uint8_t* data, size_t length);
bool is_zero_avx2(const uint8_t* data, size_t length);  // only where avx2_supported()
bool avx2_supported();
}  // namespace detail

}  // namespace drover
