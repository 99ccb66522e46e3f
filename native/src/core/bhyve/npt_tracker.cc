#include "core/bhyve/npt_tracker.h"

#include <algorithm>
#include <bit>

#include "core/bhyve/abi/memory.h"
#include "core/bhyve/abi/requests.h"
#include "core/bhyve/call.h"
#include "core/memory/guest_memory.h"

namespace drover::bhyve {

namespace {

constexpr const char* kWhat = "dirty pages cannot be collected";
constexpr uint64_t kPieceBytes = abi::kScanBytesMax;
constexpr uint64_t kWordPages = 64;
static_assert(std::endian::native == std::endian::little, "the kernel's bitmap is of bytes, and is read in words");

Error untracked(Error error) {
  error.code = Code::unsupported;
  error.message =
      "this VM's writes are not tracked and cannot be from now on: its host's bhyve or processor lacks it, or it was "
      "made without; stop the guest for its migration";
  return error;
}

}  // namespace

NptTracker::NptTracker(std::shared_ptr<Vm> vm) : vm_(std::move(vm)), taken_(vm_->memory().pages()) {
  uint64_t largest = 0;
  for (const Segment& segment : vm_->memory().segments()) {
    for (uint64_t page = 0; page < segment.pages; page += kPieceBytes / kPageSize) {
      const uint64_t pages = std::min(kPieceBytes / kPageSize, segment.pages - page);
      pieces_.push_back({segment.guest_address + page * kPageSize, pages, segment.first_page + page});
      largest = std::max(largest, pages);
    }
  }
  words_.resize((largest + kWordPages - 1) / kWordPages);
}

NptTracker::~NptTracker() { stop(); }

Status NptTracker::operate(uint32_t operation, const Piece* piece) {
  abi::vm_npt_operation request{};
  request.vno_operation = operation;
  if (piece != nullptr) {
    request.vno_gpa = piece->guest_address;
    request.vno_len = piece->pages * kPageSize;
    request.vno_bitmap = reinterpret_cast<uint8_t*>(words_.data());
  }
  return call(vm_->device(), DROVER_BHYVE_NAMED(VM_NPT_OPERATION), &request, kWhat);
}

Status NptTracker::switch_on() {
  if (!vm_->interface_version().has_npt_operation()) {
    // Before version 17 nothing tells whether a VM is tracked but asking for its pages; the first collection is
    // everything, so one page's bit may be lost.
    Status asked = take({pieces_[0].guest_address, 1, 0});
    if (!asked && asked.error().error_number == EPERM) return untracked(asked.error());
    return asked;
  }
  abi::vm_npt_operation request{};
  request.vno_operation = abi::VNO_OP_GET_TRACK_DIRTY;
  auto on = query(vm_->device(), DROVER_BHYVE_NAMED(VM_NPT_OPERATION), reinterpret_cast<uintptr_t>(&request), kWhat);
  if (!on) return on.error();
  if (on.value() != 0) return success();
  vm_->lose_dirty_bits();
  Status enabled = operate(abi::VNO_OP_EN_TRACK_DIRTY, nullptr);
  if (!enabled && enabled.error().error_number == ENOTSUP) return untracked(enabled.error());
  switched_on_ = enabled.ok();
  return enabled;
}

Status NptTracker::start() {
  std::lock_guard lock(mutex_);
  if (started_) return Error{Code::invalid_argument, "this tracker was started already"};
  if (Status on = switch_on(); !on) return on;
  started_ = true;
  everything_next_ = !vm_->dirty_bits_whole();
  return success();
}

Collected NptTracker::collect(DirtyBitmap& into) {
  std::lock_guard lock(mutex_);
  Collected collected;
  std::optional<Error> failure = failure_;
  if (!started_) {
    failure = Error{Code::closed, "this tracker is not started"};
  } else if (into.pages() != taken_.pages()) {
    failure = Error{Code::invalid_argument, "the bitmap is not of this machine's memory"};
  }
  for (auto piece = pieces_.begin(); !failure && piece != pieces_.end(); ++piece) {
    if (Status read = take(*piece); !read) {
      // Whatever the call cleared before it failed is not known.
      taken_.set_range(piece->first_page, piece->pages);
      failure = failure_ = read.error();
      break;
    }
    for (uint64_t index = 0; index * kWordPages < piece->pages; ++index) {
      for (uint64_t word = words_[index]; word != 0;) {
        const auto start = static_cast<uint64_t>(std::countr_zero(word));
        const auto length = static_cast<uint64_t>(std::countr_one(word >> start));
        const uint64_t first = piece->first_page + index * kWordPages + start;
        into.set_range(first, length);
        taken_.set_range(first, length);
        collected.dirty_pages += length;
        word = start + length == kWordPages ? 0 : word & (~uint64_t{0} << (start + length));
      }
    }
  }
  if (!failure && !everything_next_) return collected;
  into.set_all();
  everything_next_ = everything_next_ && failure.has_value();
  collected.dirty_pages = into.pages();
  if (failure) collected.error = failure->message;
  return collected;
}

Status NptTracker::take(const Piece& piece) {
  std::fill(words_.begin(), words_.end(), 0);
  if (vm_->interface_version().has_npt_operation()) {
    return operate(abi::VNO_OP_RESET_DIRTY | abi::VNO_FLAG_BITMAP_OUT, &piece);
  }
  abi::vmm_dirty_tracker request{piece.guest_address, piece.pages * kPageSize, words_.data()};
  return call(vm_->device(), DROVER_BHYVE_NAMED(VM_TRACK_DIRTY_PAGES), &request, kWhat);
}

void NptTracker::stop() {
  std::lock_guard lock(mutex_);
  if (!started_) return;
  started_ = false;
  failure_.reset();
  if (vm_->dirty_bits_whole()) put_back();
  taken_.clear();
  // Where this fails the guest only stays tracked.
  if (switched_on_) (void)operate(abi::VNO_OP_DIS_TRACK_DIRTY, nullptr).ok();
  switched_on_ = false;
}

void NptTracker::put_back() {
  for (const Piece& piece : pieces_) {
    if (put_back(piece)) continue;
    vm_->lose_dirty_bits();
    return;
  }
}

Status NptTracker::put_back(const Piece& piece) {
  const uint64_t end = piece.first_page + piece.pages;
  auto run = taken_.next_run(piece.first_page);
  if (!run || run->first >= end) return success();
  std::fill(words_.begin(), words_.end(), 0);
  for (; run && run->first < end; run = taken_.next_run(run->first + run->count)) {
    for (uint64_t page = run->first; page < std::min(run->first + run->count, end); ++page) {
      const uint64_t bit = page - piece.first_page;
      words_[bit / kWordPages] |= uint64_t{1} << bit % kWordPages;
    }
  }
  return operate(abi::VNO_OP_SET_DIRTY | abi::VNO_FLAG_BITMAP_IN, &piece);
}

}  // namespace drover::bhyve
