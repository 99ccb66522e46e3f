#include "core/simd/zero_scan.h"

#include "core/simd/racy_read.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace drover {
namespace detail {

DROVER_RACY_READ bool is_zero_portable(const uint8_t* data, size_t length) {
  const auto* words = reinterpret_cast<const volatile uint64_t*>(data);
  for (size_t i = 0; i < length / 8; i += 8) {
    const uint64_t any = words[i] | words[i + 1] | words[i + 2] | words[i + 3] | words[i + 4] | words[i + 5] |
                         words[i + 6] | words[i + 7];
    if (any != 0) return false;
  }
  return true;
}

#if defined(__x86_64__)

bool avx2_supported() { return __builtin_cpu_supports("avx2") != 0; }

__attribute__((target("avx2"))) DROVER_RACY_READ bool is_zero_avx2(const uint8_t* data, size_t length) {
  for (size_t i = 0; i < length; i += 256) {
    const auto* block = reinterpret_cast<const __m256i*>(data + i);
    const __m256i a = _mm256_or_si256(_mm256_loadu_si256(block), _mm256_loadu_si256(block + 1));
    const __m256i b = _mm256_or_si256(_mm256_loadu_si256(block + 2), _mm256_loadu_si256(block + 3));
    const __m256i c = _mm256_or_si256(_mm256_loadu_si256(block + 4), _mm256_loadu_si256(block + 5));
    const __m256i d = _mm256_or_si256(_mm256_loadu_si256(block + 6), _mm256_loadu_si256(block + 7));
    const __m256i any = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    if (!_mm256_testz_si256(any, any)) return false;
  }
  return true;
}

#else

bool avx2_supported() { return false; }
bool is_zero_avx2(const uint8_t* data, size_t length) { return is_zero_portable(data, length); }

#endif

}  // namespace detail

bool is_zero(const uint8_t* data, size_t length) {
  static const bool use_avx2 = detail::avx2_supported();
  return use_avx2 ? detail::is_zero_avx2(data, length) : detail::is_zero_portable(data, length);
}

const char* zero_scan_name() { return detail::avx2_supported() ? "avx2" : "portable"; }

}  // namespace drover
