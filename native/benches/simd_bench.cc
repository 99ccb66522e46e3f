// Zero scan and CRC32C over memory that is larger than the caches: each implementation.
#include <sys/mman.h>

#include "core/simd/crc32c.h"
#include "core/simd/zero_scan.h"
#include "measure.h"

using namespace drover;

int main(int argc, char** argv) {
  const bench::Options options = bench::parse(argc, argv);
  const size_t length = options.mib << 20;
  auto* memory = static_cast<uint8_t*>(
      ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
  if (memory == MAP_FAILED) return 1;
  // Written, or all of it would be one page of zeroes in the cache.
  std::memset(memory, 1, length);
  std::memset(memory, 0, length);
  volatile uint64_t sink = 0;
  const auto timed = [&](auto work) { return [&, work] { return bench::measure([&] { sink = sink + work(); }); }; };
  std::vector<bench::Case> cases = {
      {"zero scan, portable", timed([&] { return detail::is_zero_portable(memory, length); })},
      {"crc32c, portable", timed([&] { return detail::crc32c_portable(0, memory, length); })},
  };
  if (detail::avx2_supported()) {
    cases.push_back({"zero scan, avx2", timed([&] { return detail::is_zero_avx2(memory, length); })});
  }
  if (detail::sse42_supported()) {
    cases.push_back({"crc32c, sse4.2", timed([&] { return detail::crc32c_sse42(0, memory, length); })});
  }
  cases.push_back({"both, page by page, as the sender does", timed([&] {
                     uint64_t sum = 0;
                     for (size_t at = 0; at < length; at += 4096) {
                       sum += is_zero(memory + at, 4096) + crc32c(0, memory + at, 4096);
                     }
                     return sum;
                   })});
  bench::compare("simd", options, cases);
  return 0;
}
