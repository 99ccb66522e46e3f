#include "core/simd/crc32c.h"

#include <cstring>

#include "core/simd/crc32c_tables.h"
#include "core/simd/racy_read.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace drover {
namespace detail {

namespace {

// Unaligned load of one word.
inline __attribute__((always_inline, artificial)) uint64_t load_word(const uint8_t* data) {
  uint64_t word;
  __builtin_memcpy(&word, data, sizeof word);
  return word;
}

}  // namespace

DROVER_RACY_READ uint32_t crc32c_portable(uint32_t crc, const uint8_t* data, size_t length) {
  uint32_t state = ~crc;
  for (; length >= 8; data += 8, length -= 8) {
    uint64_t word = 0;
    for (int byte = 0; byte < 8; byte++) word |= static_cast<uint64_t>(data[byte]) << (8 * byte);
    word ^= state;
    state = kSliceTables[7][word & 0xff] ^ kSliceTables[6][(word >> 8) & 0xff] ^ kSliceTables[5][(word >> 16) & 0xff] ^
            kSliceTables[4][(word >> 24) & 0xff] ^ kSliceTables[3][(word >> 32) & 0xff] ^
            kSliceTables[2][(word >> 40) & 0xff] ^ kSliceTables[1][(word >> 48) & 0xff] ^ kSliceTables[0][word >> 56];
  }
  for (; length > 0; data++, length--) state = (state >> 8) ^ kSliceTables[0][(state ^ *data) & 0xff];
  return ~state;
}

#if defined(__x86_64__)

bool sse42_supported() { return __builtin_cpu_supports("sse4.2") != 0; }

namespace {

// The crc32 instruction has a latency of three cycles and a throughput of one: three streams side by side keep it busy.
// A page is three streams of 1360 bytes and 16 bytes more, so that one joining step a page is enough.
constexpr size_t kLongStream = 1360;
constexpr size_t kShortStream = 128;
constexpr ShiftTable kLongShift = make_shift_table(kLongStream);
constexpr ShiftTable kShortShift = make_shift_table(kShortStream);

template <size_t kStream>
inline __attribute__((always_inline, artificial, target("sse4.2"))) uint64_t three_streams(uint64_t state,
                                                                                           const uint8_t* data,
                                                                                           const ShiftTable& shift) {
  uint64_t second = 0;
  uint64_t third = 0;
  for (size_t i = 0; i < kStream; i += 8) {
    state = _mm_crc32_u64(state, load_word(data + i));
    second = _mm_crc32_u64(second, load_word(data + kStream + i));
    third = _mm_crc32_u64(third, load_word(data + 2 * kStream + i));
  }
  state = shift_crc(shift, static_cast<uint32_t>(state)) ^ second;
  return shift_crc(shift, static_cast<uint32_t>(state)) ^ third;
}

}  // namespace

__attribute__((target("sse4.2"))) DROVER_RACY_READ uint32_t crc32c_sse42(uint32_t crc, const uint8_t* data,
                                                                         size_t length) {
  uint64_t state = ~crc;
  for (; length >= 3 * kLongStream; data += 3 * kLongStream, length -= 3 * kLongStream) {
    state = three_streams<kLongStream>(state, data, kLongShift);
  }
  for (; length >= 3 * kShortStream; data += 3 * kShortStream, length -= 3 * kShortStream) {
    state = three_streams<kShortStream>(state, data, kShortShift);
  }
  for (; length >= 8; data += 8, length -= 8) state = _mm_crc32_u64(state, load_word(data));
  for (; length > 0; data++, length--) state = _mm_crc32_u8(static_cast<uint32_t>(state), *data);
  return ~static_cast<uint32_t>(state);
}

#else

bool sse42_supported() { return false; }
uint32_t crc32c_sse42(uint32_t crc, const uint8_t* data, size_t length) { return crc32c_portable(crc, data, length); }

#endif

}  // namespace detail

uint32_t crc32c(uint32_t crc, const void* data, size_t length) {
  static const bool use_sse42 = detail::sse42_supported();
  const auto* bytes = static_cast<const uint8_t*>(data);
  return use_sse42 ? detail::crc32c_sse42(crc, bytes, length) : detail::crc32c_portable(crc, bytes, length);
}

const char* crc32c_name() { return detail::sse42_supported() ? "sse4.2" : "portable"; }

}  // namespace drover
