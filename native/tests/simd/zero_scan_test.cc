#include "core/simd/zero_scan.h"

#include <gtest/gtest.h>

#include <vector>

namespace drover {
namespace {

constexpr size_t kPage = 4096;

TEST(ZeroScan, APageOfZeroesIsZero) {
  const std::vector<uint8_t> page(kPage);
  EXPECT_TRUE(is_zero(page.data(), kPage));
  EXPECT_TRUE(detail::is_zero_portable(page.data(), kPage));
  EXPECT_TRUE(is_zero(page.data(), 0));
}

TEST(ZeroScan, OneBitAnywhereMakesThePageNotZeroInEveryImplementation) {
  std::vector<uint8_t> page(kPage);
  for (size_t at = 0; at < kPage; at++) {
    page[at] = static_cast<uint8_t>(1u << (at % 8));
    ASSERT_FALSE(is_zero(page.data(), kPage)) << "byte " << at;
    ASSERT_FALSE(detail::is_zero_portable(page.data(), kPage)) << "byte " << at;
    if (detail::avx2_supported()) {
      ASSERT_FALSE(detail::is_zero_avx2(page.data(), kPage)) << "byte " << at;
    }
    page[at] = 0;
  }
  EXPECT_TRUE(is_zero(page.data(), kPage));
}

TEST(ZeroScan, LooksAtNothingBehindTheEnd) {
  std::vector<uint8_t> bytes(2 * kPage, 0xff);
  std::fill(bytes.begin() + 8, bytes.begin() + 8 + kPage, uint8_t{0});
  EXPECT_TRUE(is_zero(bytes.data() + 8, kPage));
  EXPECT_FALSE(is_zero(bytes.data() + 8, kPage + 256));
}

TEST(ZeroScan, NamesTheImplementationInUse) {
  EXPECT_STREQ(zero_scan_name(), detail::avx2_supported() ? "avx2" : "portable");
}

}  // namespace
}  // namespace drover
