#include "core/dirty/kvm_dirty_log.h"

#include <linux/kvm.h>

#include <algorithm>
#include <bit>

#include "core/kvm/ioctl.h"

namespace drover {

namespace {

constexpr const char* kWhat = "dirty pages cannot be collected";
constexpr uint64_t kWordPages = 64;
// Pages armed in one call, 1 GiB: KVM holds the lock that page faults need for as long as a call takes.
constexpr uint64_t kClearPages = uint64_t{1} << 18;

// Joins neighbouring pages of a bitmap's words before they are added.
class RunJoiner {
 public:
  RunJoiner(DirtyBitmap& into, uint64_t first_page) : into_(into), first_page_(first_page) {}
  void add(uint64_t word_index, uint64_t word) {
    while (word != 0) {
      const int start = std::countr_zero(word);
      const int length = std::countr_one(word >> start);
      const uint64_t first = word_index * kWordPages + static_cast<uint64_t>(start);
      if (first != end_) flush(first);
      end_ = first + static_cast<uint64_t>(length);
      if (start + length == 64) break;
      word &= ~uint64_t{0} << (start + length);
    }
  }
  void flush(uint64_t next = 0) {
    if (end_ > start_) into_.set_range(first_page_ + start_, end_ - start_);
    start_ = end_ = next;
  }

 private:
  DirtyBitmap& into_;
  const uint64_t first_page_;
  uint64_t start_ = 0;
  uint64_t end_ = 0;
};

}  // namespace

KvmDirtyLog::KvmDirtyLog(std::shared_ptr<kvm::Vm> vm) : vm_(std::move(vm)) {
  uint64_t largest = 0;
  for (const machine::Slot& slot : vm_->slots().all()) largest = std::max(largest, slot.pages);
  words_.resize((largest + kWordPages - 1) / kWordPages);
}

KvmDirtyLog::~KvmDirtyLog() { stop(); }

Status KvmDirtyLog::start() {
  std::lock_guard lock(mutex_);
  if (started_) return Error{Code::invalid_argument, "this tracker was started already"};
  started_ = true;
  if (Status logging = vm_->log_writes(true); !logging) {
    failure_ = logging.error();
    return logging;
  }
  return success();
}

Collected KvmDirtyLog::collect(DirtyBitmap& into) {
  std::lock_guard lock(mutex_);
  Collected collected;
  std::optional<Error> failure = failure_;
  if (!started_) {
    failure = Error{Code::closed, "this tracker is not started"};
  } else if (into.pages() != vm_->slots().memory().pages()) {
    failure = Error{Code::invalid_argument, "the bitmap is not of this machine's memory"};
  } else if (!failure) {
    for (uint32_t slot = 0; slot < vm_->slots().all().size(); ++slot) {
      if (Status done = collect_slot(slot, into, collected.dirty_pages); !done) {
        failure = failure_ = done.error();
        break;
      }
    }
  }
  if (failure) {
    into.set_all();
    return Collected{into.pages(), failure->message};
  }
  return collected;
}

Status KvmDirtyLog::collect_slot(uint32_t number, DirtyBitmap& into, uint64_t& dirty_pages) {
  const machine::Slot& slot = vm_->slots().all()[number];
  kvm_dirty_log log{};
  log.slot = number;
  log.dirty_bitmap = words_.data();
  if (Status got = kvm::call(vm_->fd(), DROVER_KVM_NAMED(KVM_GET_DIRTY_LOG), &log, kWhat); !got) return got;

  RunJoiner runs(into, slot.first_page);
  for (uint64_t first = 0; first < slot.pages; first += kClearPages) {
    const uint64_t end_page = std::min(first + kClearPages, slot.pages);
    const uint64_t end_word = (end_page + kWordPages - 1) / kWordPages;
    uint64_t first_marked = end_word, after_marked = 0;
    for (uint64_t index = first / kWordPages; index < end_word; ++index) {
      const uint64_t word = words_[index];
      if (word == 0) continue;
      first_marked = std::min(first_marked, index);
      after_marked = index + 1;
      dirty_pages += static_cast<uint64_t>(std::popcount(word));
      runs.add(index, word);
    }
    if (after_marked == 0) continue;
    const uint64_t start = first_marked * kWordPages;
    if (Status cleared = clear(number, start, std::min(after_marked * kWordPages, end_page) - start); !cleared) {
      return cleared;
    }
  }
  runs.flush();
  return success();
}

Status KvmDirtyLog::clear(uint32_t slot, uint64_t first, uint64_t pages) {
  kvm_clear_dirty_log clear{};
  clear.slot = slot;
  clear.first_page = first;
  clear.num_pages = static_cast<uint32_t>(pages);
  clear.dirty_bitmap = words_.data() + first / kWordPages;
  return kvm::call(vm_->fd(), DROVER_KVM_NAMED(KVM_CLEAR_DIRTY_LOG), &clear, kWhat);
}

void KvmDirtyLog::stop() {
  std::lock_guard lock(mutex_);
  if (!started_) return;
  started_ = false;
  failure_.reset();
  // Where this fails the guest only stays slower; the next start says why.
  (void)vm_->log_writes(false).ok();
}

}  // namespace drover
