#include "core/dirty/bitmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <string>

namespace drover {

namespace {

using Word = std::atomic_ref<uint64_t>;
constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr uint64_t kAllOnes = ~uint64_t{0};

}  // namespace

DirtyBitmap::DirtyBitmap(uint64_t pages) : pages_(pages), own_((pages + 63) / 64, 0), words_(own_) {}

Result<std::shared_ptr<DirtyBitmap>> DirtyBitmap::over(int fd, uint64_t pages) {
  const uint64_t bytes = bytes_for(pages);
  if (bytes == 0) return std::make_shared<DirtyBitmap>(pages);
  struct stat status {};
  if (::fstat(fd, &status) != 0) return errno_error("fstat", "a shared bitmap");
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (static_cast<uint64_t>(status.st_size) < bytes || seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return Error{Code::invalid_argument, "a shared bitmap of " + std::to_string(pages) + " pages needs a memfd of " +
                                             std::to_string(bytes) + " bytes that is sealed against shrinking"};
  }
  void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return errno_error("mmap", "a shared bitmap");
  return std::shared_ptr<DirtyBitmap>(
      new DirtyBitmap(pages, std::span(static_cast<uint64_t*>(mapped), bytes / sizeof(uint64_t))));
}

DirtyBitmap::~DirtyBitmap() {
  if (own_.empty() && !words_.empty()) ::munmap(words_.data(), words_.size_bytes());
}

uint64_t DirtyBitmap::word(uint64_t index) const {
  // atomic_ref wants a mutable reference even to load.
  const uint64_t value = Word(const_cast<uint64_t&>(words_[index])).load(kRelaxed);
  const uint64_t past = (index + 1) * 64;
  return past <= pages_ ? value : value & (kAllOnes >> (past - pages_));
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
