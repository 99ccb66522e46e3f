#include "core/dirty/bitmap.h"

#include <algorithm>
#include <bit>
#include <string>

namespace drover {

namespace {

using Word = std::atomic_ref<uint64_t>;
constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr uint64_t kAllOnes = ~uint64_t{0};

}  // namespace

DirtyBitmap::DirtyBitmap(uint64_t pages) : pages_(pages), words_((pages + 63) / 64, 0) {}

uint64_t DirtyBitmap::word(uint64_t index) const {
  // atomic_ref wants a mutable reference even to load.
  return Word(const_cast<uint64_t&>(words_[index])).load(kRelaxed);
}

uint64_t DirtyBitmap::count() const {
  uint64_t total = 0;
  for (uint64_t index = 0; index < words_.size(); ++index) total += std::popcount(word(index));
  return total;
}

bool DirtyBitmap::test(uint64_t page) const { return page < pages_ && ((word(page / 64) >> (page % 64)) & 1) != 0; }

void DirtyBitmap::set_range(uint64_t first, uint64_t count) {
  if (first >= pages_) return;
  const uint64_t end = first + std::min(count, pages_ - first);
  while (first < end) {
    const uint64_t bit = first % 64;
    const uint64_t bits = std::min<uint64_t>(64 - bit, end - first);
    if (bits == 64) {
      Word(words_[first / 64]).store(kAllOnes, kRelaxed);
    } else {
      Word(words_[first / 64]).fetch_or(((uint64_t{1} << bits) - 1) << bit, kRelaxed);
    }
    first += bits;
  }
}

void DirtyBitmap::clear() {
  for (uint64_t& value : words_) Word(value).store(0, kRelaxed);
}

Status DirtyBitmap::merge(const DirtyBitmap& other) {
  if (other.pages_ != pages_) {
    return Error{Code::invalid_argument, "a bitmap of " + std::to_string(other.pages_) +
                                             " pages cannot be merged into one of " + std::to_string(pages_)};
  }
  for (uint64_t index = 0; index < words_.size(); ++index) {
    if (const uint64_t bits = other.word(index)) Word(words_[index]).fetch_or(bits, kRelaxed);
  }
  return success();
}

uint64_t DirtyBitmap::find(uint64_t from, uint64_t skip) const {
  if (from >= pages_) return pages_;
  uint64_t index = from / 64;
  uint64_t bits = (word(index) ^ skip) & (kAllOnes << (from % 64));
  while (bits == 0) {
    if (++index == words_.size()) return pages_;
    bits = word(index) ^ skip;
  }
  return std::min<uint64_t>(index * 64 + std::countr_zero(bits), pages_);
}

std::optional<PageRun> DirtyBitmap::next_run(uint64_t from, uint64_t limit) const {
  const uint64_t first = find(from, 0);
  if (first >= pages_ || limit == 0) return std::nullopt;
  // Not below 1, even if a concurrent clear() took the bit away between the two looks.
  const uint64_t count = std::max<uint64_t>(find(first, kAllOnes) - first, 1);
  return PageRun{first, std::min(count, limit)};
}

}  // namespace drover
