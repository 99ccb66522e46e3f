#include "core/machine/boot/memory_map.h"

namespace drover::machine {

namespace {

constexpr uint64_t kLowEnd = 0x9fc00;  // from here up a PC keeps its BIOS data

}  // namespace

std::vector<MemoryRange> memory_map(const Slots& slots) {
  std::vector<MemoryRange> map = {
      {0, kLowEnd, MemoryType::ram},
      {kLowEnd, kOneMebibyte - kLowEnd, MemoryType::reserved},
  };
  if (slots.low_bytes() > kOneMebibyte) {
    map.push_back({kOneMebibyte, slots.low_bytes() - kOneMebibyte, MemoryType::ram});
  }
  if (slots.high_bytes() > 0) map.push_back({kHoleEnd, slots.high_bytes(), MemoryType::ram});
  return map;
}

}  // namespace drover::machine
